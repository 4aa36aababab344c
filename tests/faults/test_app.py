"""The app survives signals, a hang-up, an exception anywhere, and a terminal that stalls or goes away."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from engines.api import list_runs, read_events, read_run
from engines.messages.events import Event, TrainProgress
from engines.messages.grammar import violations
from engines.runs.resume import find_resume_points
from engines.session.replay import DEMO
from tests.support.run_folders import checkpoints, make_run_folder
from tests.support.terminal import (
    RESTORE_SEQUENCES,
    SETUP_SEQUENCES,
    TITLE,
    Terminal,
    all_exited,
    app_command,
    is_interrupted,
    wait_without_reading,
)
from tui.cli import main
from tui.terminal import osc
from tui.terminal.tty_state import CLEAR


@pytest.fixture(autouse=True)
def slow(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow the scripted engine down, so that a test meets the app in the middle of a run."""
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")


@pytest.fixture
def training(small_mnist: Path, tmp_path: Path) -> Iterator[Terminal]:
    """Return the app while it trains, once both workers have written a checkpoint."""
    terminal = Terminal(app_command(small_mnist, tmp_path), tmp_path)
    terminal.wait_for("training")
    terminal.wait_for_checkpoints()
    yield terminal
    terminal.close()


def wait_until_repainted(terminal: Terminal) -> None:
    """Wait until the terminal is set up and all of the screen is painted, also the constant parts: header, borders, footer."""
    terminal.wait_until(lambda: all(sequence in terminal.written for sequence in SETUP_SEQUENCES), "set up")
    for word, line in (("1 Train", 0), ("╭", 1), ("Quit", -1)):
        terminal.wait_until(lambda word=word, line=line: word in terminal.screen.display[line], "painted")  # type: ignore[misc]  # bound now


def is_resumable(terminal: Terminal, before: int) -> bool:
    """Return whether all recorded events are on disk in a valid order, and the run is resumable."""
    events = terminal.record()
    assert len(events) >= before
    for engine in ("pytorch", "keras"):
        assert violations(event for event in events if event.engine == engine) == []
    return is_interrupted(terminal.runs)


@pytest.mark.fault("app", "a signal in mid-training")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_restores_the_terminal(number: signal.Signals, training: Terminal) -> None:
    workers, before = training.processes(), len(training.record())
    assert len(workers) == 2
    training.wait_until(lambda: re.fullmatch(r"mnist-tui \d+ %.*", training.screen.title) is not None, "in the title")
    training.child.kill(number)
    assert training.wait_for_exit() == 128 + number
    assert training.is_restored
    assert training.screen.title == ""
    assert all_exited(workers)
    assert is_resumable(training, before)


@pytest.mark.fault("app", "one signal after the other, while it ends")
def test_signals_while_the_app_ends(training: Terminal) -> None:
    workers, before = training.processes(), len(training.record())
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    for number in (*numbers, *numbers):
        training.child.kill(number)
    assert training.wait_for_exit() - 128 in numbers, "the first that arrived"
    assert training.is_restored
    assert all_exited(workers)
    assert is_resumable(training, before)


@pytest.mark.fault("app", "SIGKILL in mid-training")
def test_a_killed_app_leaves_no_worker(training: Terminal) -> None:
    workers, before = training.processes(), len(training.record())
    training.child.kill(signal.SIGKILL)
    assert training.wait_for_exit() == -signal.SIGKILL
    assert all_exited(workers)
    assert is_resumable(training, before)


@pytest.mark.fault("app", "SIGKILL while both workers hang, are stopped, or hang where no Python runs")
@pytest.mark.parametrize("how", ["hang", "stop", "hold"])
def test_a_killed_app_leaves_no_worker_that_hangs(
    how: str, small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", f"{how}@25")
    terminal = Terminal(app_command(small_mnist, tmp_path), tmp_path)
    terminal.wait_for_checkpoints()
    workers = terminal.processes()
    assert len(workers) == 2
    if how == "stop":
        terminal.wait_until(lambda: {worker.status() for worker in workers} == {psutil.STATUS_STOPPED}, "stopped")
    pids = {worker.pid for worker in workers}
    groups = [process for process in psutil.process_iter() if _group_of(process) in pids]
    assert len(groups) > len(workers), "each has a watchdog"
    terminal.child.kill(signal.SIGKILL)
    assert all_exited(groups)
    assert is_interrupted(terminal.runs)
    terminal.close()


def _group_of(process: psutil.Process) -> int:
    try:
        return os.getpgid(process.pid)
    except ProcessLookupError:
        return 0


@pytest.mark.fault("app", "SIGTSTP, and back with SIGCONT")
def test_a_stopped_app_frees_the_terminal(training: Terminal) -> None:
    """Meanwhile the shell has the terminal and the workers wait; SIGCONT continues everything."""
    process, workers = psutil.Process(training.child.pid), training.processes()
    training.child.kill(signal.SIGTSTP)
    training.wait_until(lambda: process.status() == psutil.STATUS_STOPPED, "stopped")
    training.read()
    assert training.is_restored
    before, training.written = training.record(), ""
    training.child.kill(signal.SIGCONT)
    wait_until_repainted(training)
    training.wait_until(lambda: f"{osc.SAVE_TITLE}{TITLE}" in training.written, "titled again")
    training.wait_until(lambda: len(training.record()) > len(before) + 20, "training again")
    assert training.processes() == workers
    training.child.kill(signal.SIGTERM)
    assert training.wait_for_exit() == 143
    assert training.is_restored
    assert all_exited(workers)


@pytest.mark.fault(
    "app", "SIGSTOP and SIGCONT, twice, and SIGCONT without a stop: keys are read, and the terminal is restored"
)
def test_sigstop_and_sigcont(training: Terminal) -> None:
    """A SIGSTOP can't be handled, so at SIGCONT the terminal is still set up."""
    process, workers = psutil.Process(training.child.pid), training.processes()
    threads = process.num_threads()
    for stops in (True, True, False):
        if stops:
            training.child.kill(signal.SIGSTOP)
            training.wait_until(lambda: process.status() == psutil.STATUS_STOPPED, "stopped")
        training.written = ""
        training.child.kill(signal.SIGCONT)
        wait_until_repainted(training)
        training.send("?")
        training.wait_for("These keys")
        training.send("\x1b")
        training.wait_until(lambda: not any("These keys" in line for line in training.screen.display), "without help")
    assert process.num_threads() <= threads
    training.child.kill(signal.SIGTERM)
    assert training.wait_for_exit() == 143
    assert training.is_restored
    assert all_exited(workers)


@pytest.mark.fault(
    "app", "ctrl+z, to a shell and back, also where something else waits for the app; and where there is none"
)
@pytest.mark.parametrize("started", ["by the shell", "by make"])
def test_ctrl_z(started: str, small_mnist: Path, tmp_path: Path) -> None:
    command = shlex.join(app_command(small_mnist, tmp_path))
    if started == "by make":
        command = f"sh -c {shlex.quote(f'{command}; exit $?')}"
    terminal = Terminal(["bash", "-mc", f"{command}; echo in the shell; read answer; fg; exit $?"], tmp_path)
    terminal.wait_for("training")
    terminal.wait_for_checkpoints()
    terminal.send("\x1a")
    terminal.wait_for("in the shell")
    assert terminal.is_restored
    assert terminal.written.rfind(CLEAR) > terminal.written.rfind("╯"), "not every terminal has an alternate screen"
    terminal.written = ""
    terminal.send("\n")
    wait_until_repainted(terminal)
    terminal.send("\x03")
    terminal.wait_for("Leave (y)")
    workers = terminal.processes()
    assert len(workers) == (3 if started == "by the shell" else 4)
    terminal.send("y")
    assert terminal.wait_for_exit() == 0
    assert terminal.is_restored
    assert all_exited(workers)


@pytest.mark.fault(
    "app", "ctrl+z, to a shell and back, also where something else waits for the app; and where there is none"
)
def test_ctrl_z_without_a_shell(training: Terminal) -> None:
    training.send("\x1a")
    training.wait_for("no shell to go back to")
    training.send("\x03")
    training.wait_for("Leave (y)")


@pytest.mark.fault("app", "leaving by keys, in mid-training")
def test_leaving_by_keys(training: Terminal) -> None:
    workers, before = training.processes(), len(training.record())
    training.send("\x03")
    training.wait_for("Leave (y)")
    training.send("y")
    assert training.wait_for_exit() == 0
    assert training.is_restored
    assert all_exited(workers)
    assert is_resumable(training, before)


@pytest.mark.fault("app", "a signal while a replay has the terminal")
def test_a_signal_ends_a_replay_in_the_foreground(small_mnist: Path, tmp_path: Path) -> None:
    shutil.copy(DEMO, make_run_folder(tmp_path / "runs", "kept") / "events.jsonl")
    options = "app.ascii_only, app._start_on_open = True, False"
    terminal = Terminal(app_command(small_mnist, tmp_path, options), tmp_path)
    terminal.wait_for("press s to start")
    terminal.send("5")
    terminal.wait_for("01-01 12:00")
    terminal.send("v")
    terminal.wait_for("RECORDED")
    started = terminal.processes()
    (command,) = (process.cmdline() for process in started if "replay" in process.cmdline())
    arguments = ["--runs-dir", str(terminal.runs), "--fps", "10", "--theme", "mnist-dark", "--ascii"]
    assert command[-len(arguments) :] == arguments
    terminal.child.kill(signal.SIGTERM)
    assert terminal.wait_for_exit() == 143
    assert terminal.is_restored
    assert all_exited(started)


BREAK = {
    "a key's action": "app.action_help = lambda: 1 / 0",
    "a frame": "app.action_help = lambda: setattr(app, 'draw_frame', lambda: 1 / 0)",
    "an event of the workers": "app.action_help = lambda: setattr(app.session, 'drain', lambda: 1 / 0)",
    "a thread of the app": "app.action_help = lambda: app.run_worker(lambda: 1 / 0, thread=True)",
    "a timer, while a thread waits for a slow disk": (
        "import time; app.action_help = lambda:"
        " [app.run_worker(lambda: time.sleep(60), thread=True), app.set_timer(0.1, lambda: 1 / 0)]"
    ),
    "another screen": (
        "import tui.screens.results; tui.screens.results.ResultsScreen.on_mount = lambda _: 1 / 0;"
        " app.action_help = lambda: app.action_show_screen(4)"
    ),
    "a timer": "app.action_help = lambda: app.set_timer(0.01, lambda: 1 / 0)",
    "the mouse": "from tui.widgets.line_chart import LineChart; LineChart.on_mouse_move = lambda *_: 1 / 0",
    "a message's handler": "import tui.screens.train; tui.screens.train.TrainScreen.on_key = lambda *_: 1 / 0",
    "a widget's drawing": (
        "from tui.widgets.line_chart import LineChart;"
        " app.action_help = lambda: [setattr(LineChart, 'render_line', lambda *_: 1 / 0), app.refresh(layout=True)]"
    ),
    "a dialog's composition": ("import tui.screens.dialogs; tui.screens.dialogs.HelpDialog.compose = lambda *_: 1 / 0"),
}
"""Statements that raise an exception in one place, when ? is pressed or the mouse moves."""


@pytest.mark.fault("app", "an exception in")
@pytest.mark.parametrize("where", BREAK)
def test_an_exception_restores_the_terminal(where: str, small_mnist: Path, tmp_path: Path) -> None:
    terminal = Terminal(app_command(small_mnist, tmp_path, BREAK[where]), tmp_path)
    terminal.wait_for("training")
    terminal.wait_for_checkpoints()
    workers, before = terminal.processes(), len(terminal.record())
    terminal.send("".join(f"\x1b[<35;{x};15M" for x in range(20, 40)) if where == "the mouse" else "?")
    assert terminal.wait_for_exit(8.0) == 1
    assert terminal.is_restored
    assert "ZeroDivisionError" in terminal.written
    assert all_exited(workers)
    assert is_resumable(terminal, before)


@pytest.mark.fault("app", "an exception before the first paint, and at it")
@pytest.mark.parametrize("where", ["compose", "on_mount", "render"])
def test_an_exception_at_the_start(where: str, small_mnist: Path, tmp_path: Path) -> None:
    statements = {
        "compose": "from tui.screens.train import TrainScreen; TrainScreen.compose = lambda _: 1 / 0",
        "on_mount": "from tui.widgets.key_bar import KeyBar; KeyBar.on_mount = lambda _: 1 / 0",
        "render": "from tui.widgets.text_line import TextLine; TextLine.render_line = lambda *_: 1 / 0",
    }
    terminal = Terminal(app_command(small_mnist, tmp_path, statements[where]), tmp_path)
    assert terminal.wait_for_exit(30.0) == 1
    assert terminal.is_restored
    assert "ZeroDivisionError" in terminal.written
    commands = [process.info["cmdline"] for process in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if str(tmp_path) in " ".join(command or ())]


@pytest.mark.fault("app", "the terminal's window is closed")
def test_a_terminal_that_is_gone_leaves_nothing_behind(training: Terminal) -> None:
    """The app and its workers end within five seconds, and the app's last lines in Python's buffers do not change its exit code."""
    processes, before = [psutil.Process(training.child.pid), *training.processes()], len(training.record())
    training.hang_up()
    started = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(training.child.pid, 0)[1]) == 129
    assert time.monotonic() - started < 5.5
    assert all_exited(processes)
    assert is_resumable(training, before)


@pytest.mark.fault("app", "a terminal that is not read for a while, then SIGTERM")
@pytest.mark.parametrize("seconds", [6, pytest.param(30, marks=pytest.mark.slow)])
def test_a_stalled_terminal_costs_no_training(seconds: int, training: Terminal) -> None:
    """A pseudo-terminal holds four kilobytes; after that, every write of the app blocks."""
    start = training.record()[-1].t

    def has_trained() -> bool:
        newest = max(event.t for event in training.record() if isinstance(event, TrainProgress))
        assert time.monotonic() - newest < 3.0, "training, or its record, stands still"
        return newest - start > seconds

    wait_without_reading(has_trained)
    workers = training.processes()
    os.kill(training.child.pid, signal.SIGTERM)
    started = time.monotonic()
    assert os.waitstatus_to_exitcode(os.waitpid(training.child.pid, 0)[1]) == 143
    assert time.monotonic() - started < 5.5
    assert all_exited(workers)
    assert is_interrupted(training.runs)
    assert termios.tcgetattr(training.child.child_fd)[:4] == training.initial_settings[:4]


@pytest.mark.fault("app", "a terminal that is not read for six seconds, then read again")
def test_a_terminal_that_is_read_again_shows_the_present(training: Terminal) -> None:
    start = training.record()[-1].t
    wait_without_reading(lambda: training.record()[-1].t - start > 6)
    training.written = ""
    training.wait_until(lambda: len(training.written) > 8_000, "drawing again")
    training.send("\x03")
    training.wait_for("Leave (y)")
    training.send("y")
    assert training.wait_for_exit() == 0
    assert training.is_restored


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[list[str]]:
    """Return the command of a separate tmux server, which ends with the test."""
    if shutil.which("tmux") is None:
        pytest.skip("no tmux on this machine")
    command = ["tmux", "-S", str(tmp_path / "tmux"), "-f", "/dev/null"]
    yield command
    subprocess.run([*command, "kill-server"], capture_output=True, check=False)


@pytest.mark.fault("app", "tmux: detach, attach, kill the server")
def test_tmux_detach_and_attach(tmux: list[str], small_mnist: Path, tmp_path: Path) -> None:
    command = shlex.join(app_command(small_mnist, tmp_path))
    client = Terminal([*tmux, "new-session", "-s", "stage", command], tmp_path)
    client.wait_for("training")
    client.wait_for_checkpoints()
    pane = subprocess.run([*tmux, "list-panes", "-F", "#{pane_pid}"], capture_output=True, text=True, check=True)
    root = psutil.Process(int(pane.stdout))
    processes = [root, *root.children(recursive=True)]
    subprocess.run([*tmux, "detach-client", "-s", "stage"], check=True)
    client.wait_for_exit()
    before = len(client.record())
    client.wait_until(lambda: len(client.record()) > before + 20, "training while detached")
    again = Terminal([*tmux, "attach-session", "-t", "stage"], tmp_path)
    again.wait_for("training")
    subprocess.run([*tmux, "kill-server"], check=True)
    assert all_exited(processes)
    assert is_interrupted(again.runs)
    again.close()


@pytest.mark.fault("app", "two at once, with one folder of runs and one cache")
def test_two_at_once(small_mnist: Path, tmp_path: Path) -> None:
    both = [Terminal(app_command(small_mnist, tmp_path), tmp_path) for _ in range(2)]
    for terminal in both:
        terminal.wait_for("training")
    both[0].wait_until(lambda: len(checkpoints(both[0].runs)) == 4, "four checkpoints")
    workers = [worker for terminal in both for worker in terminal.processes()]
    for terminal in both:
        terminal.child.kill(signal.SIGTERM)
        assert terminal.wait_for_exit() == 143
    assert all_exited(workers)
    runs = list(list_runs(both[0].runs))
    assert [sorted(run["resumable"]) for run in runs] == 2 * [["keras", "pytorch"]]
    for run in runs:
        events = list(read_events(both[0].runs / run["id"] / "events.jsonl"))
        assert {event.run_id for event in events if event.run_id} == {run["id"]}
        for engine in ("pytorch", "keras"):
            assert violations(event for event in events if event.engine == engine) == []


@pytest.mark.fault("app", "what a worker prints: screen-clearing sequences, carriage returns, garbage")
def test_output_of_a_worker_never_reaches_the_screen(
    small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "garbage@3")
    terminal = Terminal(app_command(small_mnist, tmp_path), tmp_path)
    terminal.wait_for("training")
    terminal.wait_for_checkpoints()
    assert "last words" not in terminal.written
    assert "not json" not in terminal.written
    terminal.child.kill(signal.SIGTERM)
    assert terminal.wait_for_exit() == 143
    assert all(sequence in terminal.written for sequence in RESTORE_SEQUENCES)


MOMENTS: dict[str, Callable[[Terminal], bool]] = {
    "before the first event": lambda terminal: bool(list(terminal.runs.glob("*/config.json"))),
    "in the first epoch": lambda terminal: any(isinstance(event, TrainProgress) for event in recorded(terminal)),
    "after a checkpoint": lambda terminal: len(checkpoints(terminal.runs)) == 2,
}
"""The moments at which the app is killed."""


def recorded(terminal: Terminal) -> list[Event]:
    """Return the events on disk so far."""
    return [event for path in terminal.runs.glob("*/events.jsonl") for event in read_events(path)]


@pytest.mark.fault("app", "SIGKILL at any moment: its run is listed, opened, replayed, and resumes from a checkpoint")
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_survives_its_app(
    moment: str, small_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal(app_command(small_mnist, tmp_path), tmp_path)
    terminal.wait_until(lambda: MOMENTS[moment](terminal), moment)
    workers = terminal.processes()
    terminal.child.kill(signal.SIGKILL)
    terminal.child.wait()
    assert all_exited(workers)

    def outcomes() -> set[str]:
        (run,) = list_runs(terminal.runs)
        return {its["outcome"] for its in run["summary"].values() if "outcome" in its}

    # A worker that was being started holds the record's lock until it executes its own program.
    terminal.wait_until(lambda: outcomes() == {"interrupted"}, "listed as interrupted", 5.0)
    (run,) = list_runs(terminal.runs)
    read_run(terminal.runs / run["id"])
    runs_dir = ["--runs-dir", str(terminal.runs)]
    assert main.main(["runs", *runs_dir]) == 0
    assert main.main(["export", run["id"], "--to", "html", *runs_dir]) == (0 if recorded(terminal) else 1)
    if recorded(terminal):
        command = [sys.executable, "-m", "tui", "replay", run["id"], "--speed", "max", *runs_dir]
        replay = Terminal(command, tmp_path)
        replay.wait_for("RECORDED")
        replay.send("q")
        assert replay.wait_for_exit() == 0
    if moment == "after a checkpoint":
        assert run["resumable"] == ["pytorch", "keras"]
        assert all(point.checkpoint for point in find_resume_points(terminal.runs / run["id"], {}).values())
