"""Two apps watch a run of another process, through its kill and its continuation."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

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
            terminal.wait_for(f"This run continues as {continued.name}")
            terminal.send("q")
            assert terminal.wait_for_exit() == 0
        assert terminals[1].is_restored
        assert ["\x1b[?1000h" in terminal.written for terminal in terminals] == [False, True]
