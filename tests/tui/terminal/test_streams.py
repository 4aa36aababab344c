"""The standard streams of a command: closed by the parent, on a full disk, or closed before the end."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engines.api import list_runs
from tests.support.terminal import ROOT
from tui.cli import main

COMMAND = [sys.executable, "-m", "tui"]
TRAIN = [sys.executable, "-m", "tests.programs.scripted_cli", "train", "--epochs", "1", "--batch-size", "64"]
NO_SCREEN = "mnist-tui: The app needs a terminal. Use `mnist-tui train`, or --plain.\n"
BROKEN = "mnist-tui: The output could not be written: {}.\n"


def environment() -> dict[str, str]:
    """Return the environment of a command, with buffered streams."""
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**buffered, "PYTHONPATH": str(ROOT)}


def shell(redirections: str, *command: str) -> tuple[int, str, str]:
    """Run a command with a shell's redirections; return its exit code, stdout and stderr."""
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirections}', "sh", *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(),
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


CLOSED = pytest.mark.fault("app", "started with closed descriptors: a command works, or reports what is wrong")


@CLOSED
def test_a_command_needs_only_stdout() -> None:
    code, out, err = shell("<&- 2>&-", *COMMAND, "runs")
    assert (code, out[:12], err) == (0, "No such runs", "")


@CLOSED
@pytest.mark.parametrize(
    "command", ["--help", "runs", "data", "code --no-hyperparameters", "setup --dry-run", "compare demo", "export demo"]
)
def test_output_lost_on_a_closed_stdout_is_reported(command: str) -> None:
    assert shell(">&-", *COMMAND, *command.split()) == (1, "", BROKEN.format("Bad file descriptor"))


@CLOSED
def test_a_screen_needs_descriptors() -> None:
    assert shell("<&- >&-", *COMMAND) == (2, "", NO_SCREEN)


@CLOSED
def test_training_without_descriptors(small_mnist: Path, tmp_path: Path) -> None:
    """The run completes, no pipe of a worker becomes stdout, and the lost output makes the exit code 1."""
    command = [*TRAIN, "--json", "--data-dir", str(small_mnist), "--runs-dir", str(tmp_path)]
    assert shell("<&- >&- 2>&-", *command) == (1, "", "")
    (run,) = list_runs(tmp_path)
    assert {its["outcome"] for its in run["summary"].values() if "outcome" in its} == {"completed"}


def test_missing_descriptors_are_filled() -> None:
    script = """
import os, sys
from tui.terminal import streams
streams.open_missing()
print(min(os.pipe()), [os.get_inheritable(n) for n in range(3)], repr(sys.stdin.read()), file=sys.stdout)
"""
    assert shell("<&- 2>&-", sys.executable, "-c", script) == (0, "3 [True, True, True] ''\n", "")


@pytest.mark.fault("disk", "the output of a command goes to a full disk: it is reported")
@pytest.mark.linux("/dev/full")
def test_output_lost_on_a_full_disk_is_reported() -> None:
    assert shell(">/dev/full", *COMMAND, "--help") == (1, "", BROKEN.format("No space left on device"))
    assert shell("2>/dev/full", *COMMAND, "frobnicate") == (2, "", "")


class FullDisk(io.StringIO):
    """A file on a disk that is full."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_export_lost_on_a_full_disk_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", FullDisk())
    assert main.main(["export", "demo"]) == 1
    assert capsys.readouterr().err == BROKEN.format("No space left on device")


@pytest.mark.fault("app", "the terminal's window is closed while a command's last lines are buffered: 129")
def test_a_closed_window_changes_no_exit_code() -> None:
    """Python would flush the lines once more, and end with 120."""
    master, slave = os.openpty()
    os.close(master)
    command = [sys.executable, "-m", "tests.programs.unflushed_command"]
    done = subprocess.run(command, stdout=slave, stderr=slave, env=environment(), timeout=60)
    os.close(slave)
    assert done.returncode == 129


@pytest.mark.fault("app", "a command's reader goes away: no message")
def test_a_reader_that_goes_away_causes_no_message() -> None:
    assert shell("| true", *COMMAND, "--help")[2] == ""
