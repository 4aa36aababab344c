"""The command line as a shell sees it."""

from __future__ import annotations

import argparse
import errno
import gc
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engines import paths
from engines.api import list_runs
from engines.messages.codec import decode_event
from engines.messages.events import RunFinished
from engines.messages.grammar import violations
from engines.runs.reader import read_events
from engines.session.replay import DEMO
from engines.session.session import Session
from tests.support.engines import SCRIPTED, scripted_spec
from tests.support.pilot import script
from tui import preferences
from tui.app import MnistApp
from tui.cli import arguments, main, train
from tui.reports import run_summary


def run_command(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    code = "import sys; from tui.cli.main import main; sys.exit(main())"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=timeout)


def test_version() -> None:
    from engines.version import __version__

    assert run_command("--version").stdout == f"mnist-tui {__version__}\n"


@pytest.mark.parametrize("command", list(main.COMMANDS))
def test_every_command_has_help(command: str) -> None:
    done = run_command(*([command] if command else []), "--help")
    assert done.returncode == 0
    assert "usage: mnist-tui" in done.stdout
    if not command:
        assert all(name in done.stdout for name in main.COMMANDS)


@pytest.mark.parametrize("command", main.COMMANDS)
def test_help_explains_every_option(command: str) -> None:
    parser = argparse.ArgumentParser(description="it")
    main.load(command).add_options(parser)
    assert [action.dest for action in parser._actions if not action.help] == []


def test_a_replay_has_no_options_that_it_ignores(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["replay", "demo", "--plain"]) == 2
    assert "--plain" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["frobnicate"], "no command"),
        (["train", "--epochs", "0"], "at least 1"),
        (["train", "--epochs", "many"], "whole number"),
        (["train", "--device", "gpu"], "cuda:N"),
        (["train", "--learning-rate", "nan"], "finite"),
        (["train", "--learning-rate", "0,001"], "'0,001' has a decimal comma: write 0.001"),
        (["bench", "--repeats", "1,5"], "whole number"),
        (["runs", "--filter", "acc>99,5"], "write 99.5"),
        (["train", "--framework", "jax"], "invalid choice"),
        (["train", "--no-such-flag"], "no-such-flag"),
        (["train", "--epoch", "3"], "--epoch"),
        (["replay"], "run"),
        (["replay", "nothing-of-that-name"], "mnist-tui runs"),
        (["replay", "x", "--speed", "fast"], "--speed"),
        (["replay", "demo", "--speed", "0,5"], "write 0.5"),
        (["export", "../../etc/passwd"], "no run"),
        ([], "terminal"),
    ],
)
def test_bad_usage_is_one_sentence_and_exit_code_2(arguments: list[str], says: str) -> None:
    done = run_command(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace both engines by the scripted one."""
    monkeypatch.setattr(arguments, "specs", lambda _: [scripted_spec("pytorch"), scripted_spec("keras")])


def test_json_prints_only_events(scripted: None, small_mnist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main.main(["train", "--json", "--epochs", "2", "--batch-size", "64", "--data-dir", str(small_mnist)])
    out, err = capsys.readouterr()
    events = [decode_event(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    for engine in ("pytorch", "keras"):
        own = [event for event in events if event.engine == engine]
        assert violations(own) == []
        assert len([event for event in own if isinstance(event, RunFinished)]) == 1


def test_plain_lines_end_with_a_summary(scripted: None, small_mnist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main.main(["train", "--epochs", "1", "--batch-size", "64", "--data-dir", str(small_mnist)])
    out = capsys.readouterr().out
    assert code == 0
    assert "epoch 1/1" in out
    assert out.count("completed: test accuracy") == 2
    assert "\x1b" not in out


def test_a_missed_target_is_exit_code_1(scripted: None, small_mnist: Path) -> None:
    arguments = ["train", "--json", "--epochs", "1", "--data-dir", str(small_mnist)]
    assert main.main([*arguments, "--target-accuracy", "100"]) == 1
    assert main.main([*arguments, "--target-accuracy", "5"]) == 0


def test_a_failed_run_is_exit_code_1(scripted: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["train", "--data-dir", str(tmp_path / "nowhere")]) == 1
    assert "nowhere" in capsys.readouterr().out


def worker_pids(child: subprocess.Popen[str]) -> list[int]:
    """Wait until both engines train; return the process ids of their workers."""
    assert child.stdout
    pids = []
    for line in child.stdout:
        event = json.loads(line)
        if event["type"] == "WorkerSpawned":
            pids.append(event["pid"])
        if event["type"] == "EpochCompleted" and len(pids) == 2:
            break
    return pids


@pytest.fixture
def environment() -> dict[str, str]:
    """Return an environment in which stdout is buffered, as it is for a user."""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**buffered, "PYTHONPATH": str(SCRIPTED.parents[2])}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_training_with_its_code_and_without_workers(
    number: int, code: int, small_mnist: Path, environment: dict[str, str]
) -> None:
    command = script("--json", "--epochs", "9999", "--data-dir", str(small_mnist))
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert child.stdout
    pids = worker_pids(child)
    child.send_signal(number)
    _, stderr = child.communicate(timeout=10)
    assert child.returncode == code
    assert stderr == "mnist-tui: stopping; the workers save a checkpoint first.\n"
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.fault("app", "headless, under nohup or in a script's background: ignored signals stay ignored")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
def test_ignored_signals_stay_ignored(
    number: signal.Signals, small_mnist: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command = script("--json", "--epochs", "3", "--data-dir", str(small_mnist))
    monkeypatch.setitem(environment, "MNIST_TUI_SCRIPT", "slow")
    before = signal.signal(number, signal.SIG_IGN)
    try:
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    finally:
        signal.signal(number, before)
    assert child.stdout
    worker_pids(child)
    child.send_signal(number)
    assert child.stdout.read().count('"outcome":"completed"') == 2
    child.stdout.close()
    assert child.wait(10) == 0


@pytest.mark.fault("app", "headless, started where SIGCHLD is ignored: the run succeeds")
def test_a_run_succeeds_where_sigchld_is_ignored(small_mnist: Path, environment: dict[str, str]) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        command = script("--epochs", "1", "--data-dir", str(small_mnist))
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    finally:
        signal.signal(signal.SIGCHLD, before)
    out, _ = child.communicate(timeout=60)
    assert (child.returncode, out.count("completed: test accuracy")) == (0, 2)


@pytest.mark.fault("disk", "headless, its output goes to a full disk: it trains to the end and reports the loss")
@pytest.mark.parametrize("form", ["--json", "--plain"])
def test_training_continues_when_the_disk_of_its_output_is_full(
    form: str, small_mnist: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    command = script(form, "--epochs", "1", "--data-dir", str(small_mnist), "--runs-dir", str(tmp_path))
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, env=environment, timeout=60)
    assert (done.returncode, done.stderr) == (1, "The output could not be written: No space left on device.\n")
    (saved,) = list_runs(tmp_path)
    assert {part["outcome"] for part in saved["summary"].values() if "outcome" in part} == {"completed"}


def test_a_signal_while_workers_are_closed_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(Session, "start", lambda *_: None)
    monkeypatch.setattr(Session, "close", lambda _: os.kill(os.getpid(), signal.SIGINT))
    assert train.train([], {}, str(tmp_path), json_lines=True, bars=False) in (0, 1)
    assert signal.getsignal(signal.SIGINT) == before


class ClosedWindow(io.StringIO):
    """A stream to a terminal that is gone."""

    def write(self, text: str) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_a_closed_window_ends_plain_lines_with_exit_code_129(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "start", lambda *_: os.kill(os.getpid(), signal.SIGHUP))
    monkeypatch.setattr(sys, "stdout", ClosedWindow())
    assert train.train([scripted_spec()], {}, str(tmp_path), json_lines=False, bars=False) == 129


def test_a_trained_run_is_listed_and_exported(
    scripted: None, small_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "kept"
    arguments = ["--epochs", "2", "--batch-size", "64", "--data-dir", str(small_mnist), "--runs-dir", str(runs)]
    assert main.main(["train", "--json", *arguments]) == 0
    capsys.readouterr()
    assert main.main(["runs", "--json", "--runs-dir", str(runs)]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert run["summary"]["keras"]["outcome"] == "completed"
    assert main.main(["runs", "--runs-dir", str(runs)]) == 0
    assert run["id"] in capsys.readouterr().out
    assert main.main(["export", run["id"], "--runs-dir", str(runs)]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert rows[0].startswith("engine,split,t,epoch,global_step,loss,accuracy")
    assert sum(",test," in row for row in rows) == 4
    events = list(read_events(runs / run["id"] / "events.jsonl"))
    assert violations(event for event in events if event.engine == "pytorch") == []
    with open(runs / run["id"] / "events.jsonl", "a") as file:
        file.write('{"type":"TrainProg')
    assert len(list(read_events(runs / run["id"] / "events.jsonl"))) == len(events)


def test_data_lists_and_loads_the_digits(small_mnist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["data", "--json", "--data-dir", str(small_mnist)]) == 0
    assert json.loads(capsys.readouterr().out)[0]["origin"] == "--data-dir"
    assert main.main(["data", "--fetch", "--json", "--data-dir", str(small_mnist)]) == 0
    assert json.loads(capsys.readouterr().out)["train_size"] == 640
    assert main.main(["data", "--fetch", "--dataset", "mnist", "--data-dir", "nowhere"]) == 1


def test_older_runs_than_those_listed_are_not_opened(tmp_path: Path) -> None:
    for i in range(5):
        (tmp_path / f"run-{i}").mkdir()
        (tmp_path / f"run-{i}" / "config.json").write_text('{"schema": 1, "engines": {}}')
    newest_first = list_runs(tmp_path)
    assert [next(newest_first)["id"], next(newest_first)["id"]] == ["run-4", "run-3"]
    (tmp_path / "run-2" / "config.json").write_text("cut sh")
    assert [run["id"] for run in newest_first] == ["run-1", "run-0"]


def test_runs_lists_the_requested_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(3):
        (tmp_path / f"run-{i}").mkdir()
        (tmp_path / f"run-{i}" / "config.json").write_text('{"schema": 1, "engines": {}}')
    for last, listed in (("2", 2), ("0", 3)):
        assert main.main(["runs", "--json", "--last", last, "--runs-dir", str(tmp_path)]) == 0
        assert len(json.loads(capsys.readouterr().out)) == listed
    assert main.main(["runs", "--last", "-1", "--runs-dir", str(tmp_path)]) == 2


def test_bench_prints_measurements(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["bench", "charts", "startup", "--repeats", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows} >= {"--version", "first paint"}
    assert all(row["median"] > 0 for row in rows)
    assert main.main(["bench", "everything"]) == 2


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[MnistApp]]:
    """Collect the apps that commands open on a terminal, instead of running them."""
    apps: list[MnistApp] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    def run_guarded(app: MnistApp) -> int:
        apps.append(app)
        return 0

    monkeypatch.setattr(MnistApp, "run_guarded", run_guarded)
    yield apps
    gc.enable()  # an app does it at its first paint


def test_the_saved_theme_is_used_by_every_command(opened: list[MnistApp], tmp_path: Path) -> None:
    preferences.save(paths.config_file().with_name(preferences.FILE), {"theme": "mnist-light", "epochs": 3})
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "events.jsonl").write_text(DEMO.read_text(encoding="utf-8"), encoding="utf-8")
    for command in ([], ["--resume", "run"], ["replay", "run"]):
        assert main.main(command) == 0
        assert main.main([*command, "--theme", "mnist-clear"]) == 0
    assert [app.theme for app in opened] == 3 * ["mnist-light", "mnist-clear"]
    assert [app.controller.settings.get("epochs") for app in opened] == [3, 3, None, None, None, None]


def test_a_replay_lists_the_runs_of_its_runs_dir(opened: list[MnistApp], tmp_path: Path) -> None:
    assert main.main(["replay", "demo", "--runs-dir", str(tmp_path / "elsewhere")]) == 0
    assert opened[0].runs_dir == tmp_path / "elsewhere"


def test_a_summary_into_a_closed_window_keeps_the_exit_code(environment: dict[str, str]) -> None:
    ours, theirs = os.openpty()
    os.close(ours)
    script = """
import sys
from types import SimpleNamespace
from tui.cli import app
from tui.reports import run_summary
run_summary.closing_lines = lambda _: ["left"]
app.print_summary(SimpleNamespace(session=SimpleNamespace(drain=list)))
sys.exit(129)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=60, env=environment)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (129, "")


def test_an_interrupted_run_is_summarized_with_the_command_that_continues_it() -> None:
    from engines.api import RunHistory
    from engines.messages.events import RunFailed
    from tests.support.life import life

    history = RunHistory("keras")
    for event in [*life()[:9], RunFailed(engine="keras", t=9.0, kind="interrupted", message="m")]:
        history.apply(event)
    assert run_summary.summary_line(history) == "F 1: interrupted in epoch 1, step 2 of 8"
    history.checkpoint = "/else where/run/keras.npz"
    folder = Path("/else where/run")
    assert run_summary.summary_line(history, folder).endswith(
        "continue with: mnist-tui train --resume '/else where/run'"
    )


def test_a_missing_run_names_the_command_that_lists_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["export", "nothing", "--runs-dir", "/else where"]) == 2
    assert "`mnist-tui runs --runs-dir '/else where'` lists them." in capsys.readouterr().err


@pytest.mark.parametrize("dataset", ["drawn", "custom"])
def test_summaries_name_digits_that_are_not_mnist(dataset: str) -> None:
    from engines.api import RunHistory
    from engines.messages.events import DataReady
    from tests.support.life import life

    history = RunHistory("keras")
    for event in life():
        history.apply(event)
    assert "completed: test accuracy 99.20 %" in run_summary.summary_line(history)
    history.apply(
        DataReady(engine="keras", dataset=dataset, source="", sha256="", train_size=1, test_size=1, seconds=0.0)
    )
    assert f"{dataset.upper()} DIGITS, not MNIST" in run_summary.summary_line(history)
