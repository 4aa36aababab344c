"""Two watchers follow a run of another process through a halt, its kill and its continuation, to its end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.api import Watch, request_stop
from engines.runs.phases import INTERRUPTED, STOPPED
from engines.session.watch import SILENT_SECONDS
from tests.support.pilot import script
from tests.support.run_folders import checkpoints
from tests.support.terminal import Terminal, wait_without_reading


@pytest.mark.fault("app", "two apps watch a headless run: its process is killed, and the run continues in a new folder")
def test_two_apps_watch_a_run_through_its_kill_and_its_continuation(
    small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    place = ("--runs-dir", str(runs))
    train = script("--json", "--epochs", "9999", "--data-dir", str(small_mnist), *place)
    with contextlib.ExitStack() as ends:

        def start(command: list[str]) -> subprocess.Popen[bytes]:
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            ends.callback(child.wait)
            ends.callback(child.kill)
            return child

        child = start(train)
        wait_without_reading(lambda: len(checkpoints(runs)) == 2)
        (folder,) = runs.iterdir()
        watch = [sys.executable, "-m", "tui", "watch", folder.name, *place]
        terminals = Terminal([*watch, "--no-mouse"], tmp_path), Terminal(watch, tmp_path, (80, 24))
        for terminal in terminals:
            ends.callback(terminal.close)
            terminal.wait_for(" WATCHING ")
            terminal.wait_for("training")
        os.kill(child.pid, signal.SIGKILL)
        for terminal in terminals:
            terminal.wait_for("interrupted")
            terminal.wait_for("RECORDED")
            terminal.wait_until(lambda: terminal.screen.title.startswith("mnist-tui interrupted"), "in the title")  # noqa: B023
        start(script("--json", "--resume", folder.name, *place))
        wait_without_reading(lambda: len([*runs.glob("*/events.jsonl")]) == 2)
        (continued,) = set(runs.iterdir()) - {folder}
        for terminal in terminals:
            terminal.wait_for(" WATCHING ")
            terminal.wait_for("training")
        request_stop(continued)
        for terminal in terminals:
            terminal.wait_for("RECORDED")
            terminal.wait_for("stopped")
            terminal.send("q")
            assert terminal.wait_for_exit() == 0
        assert terminals[1].is_restored
        assert ["\x1b[?1000h" in terminal.written for terminal in terminals] == [False, True]


@pytest.mark.fault(
    "app", "two watches follow a headless run: it is stopped by SIGSTOP, killed, and continues in a new folder"
)
def test_two_watches_tell_a_halted_run_from_a_killed_one_and_go_on_with_its_continuation(
    small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, seconds = tmp_path / "runs", 0.0
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    place = ("--runs-dir", str(runs))
    with contextlib.ExitStack() as ends:

        def start(*arguments: str) -> subprocess.Popen[bytes]:
            child = subprocess.Popen(script("--json", *arguments, *place), stdout=subprocess.DEVNULL)
            ends.callback(child.wait)
            ends.callback(child.kill)
            return child

        def wait_until(condition: Callable[[Watch], bool]) -> None:
            """Read until it is true of both."""

            def holds() -> bool:
                for watch in watches:
                    watch.poll()
                    watch.drain()
                return all(map(condition, watches))

            wait_without_reading(holds)

        child = start("--epochs", "9999", "--data-dir", str(small_mnist))
        wait_without_reading(lambda: len(checkpoints(runs)) == 2)
        (folder,) = runs.iterdir()
        watches = [Watch(folder, lambda: seconds) for _ in range(2)]
        wait_until(lambda watch: all(history.running for history in watch.histories.values()))
        os.kill(child.pid, signal.SIGSTOP)
        os.waitpid(child.pid, os.WUNTRACED)  # until it has stopped
        wait_until(lambda watch: True)
        seconds += 2 * SILENT_SECONDS
        wait_until(lambda watch: watch.badge == "WATCHING, no news for 20 s")
        assert all(history.running for watch in watches for history in watch.histories.values())
        child.kill()
        child.wait()
        seconds += SILENT_SECONDS
        wait_until(lambda watch: {history.phase for history in watch.histories.values()} == {INTERRUPTED})
        assert all(watch.problem.startswith("No process writes") for watch in watches)
        steps = watches[0].histories["keras"].global_step
        start("--resume", folder.name)
        wait_without_reading(lambda: len([*runs.glob("*/events.jsonl")]) == 2)
        (continued,) = set(runs.iterdir()) - {folder}
        seconds += SILENT_SECONDS
        wait_until(lambda watch: watch.histories["keras"].global_step > steps)
        request_stop(continued)
        wait_until(lambda watch: {history.phase for history in watch.histories.values()} == {STOPPED})
        assert [watch.folder("keras") for watch in watches] == [continued] * 2
