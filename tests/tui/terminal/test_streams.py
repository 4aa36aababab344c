"""The standard streams of a command: closed by the parent, full, or gone at the end."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from engines.api import list_runs
from tests.support.engines import SCRIPTED
from tui.cli import main

_TRAIN = """
import sys
from tests.support.engines import scripted_spec
from tui.cli import arguments as options, main as cli
options.specs = lambda _: [scripted_spec("pytorch"), scripted_spec("keras")]
sys.exit(cli.main(sys.argv[1:]))
"""
COMMAND = [sys.executable, "-m", "tui"]
TRAIN = [sys.executable, "-c", _TRAIN, "train", "--epochs", "1", "--batch-size", "64"]
NO_SCREEN = "mnist-tui: The app needs a terminal. Use `mnist-tui train`, or --plain.\n"
BROKEN = "mnist-tui: The output could not be written: {}.\n"


def shell(streams: str, *command: str) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of a command whose streams a shell opens or closes so."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {streams}', "sh", *command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**env, "PYTHONPATH": str(SCRIPTED.parents[2])},
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


CLOSED = pytest.mark.fault("app", "started with closed descriptors: a command works, or says what is wrong")


@CLOSED
def test_a_command_needs_only_stdout() -> None:
    code, out, err = shell("<&- 2>&-", *COMMAND, "runs")
    assert (code, out[:12], err) == (0, "No such runs", "")


@CLOSED
@pytest.mark.parametrize("command", ["--help", "runs"])
def test_what_a_closed_stdout_loses_is_told(command: str) -> None:
    assert shell(">&-", *COMMAND, command) == (1, "", BROKEN.format("Bad file descriptor"))


@CLOSED
def test_a_screen_needs_descriptors() -> None:
    assert shell("<&- >&-", *COMMAND) == (2, "", NO_SCREEN)


@CLOSED
def test_training_without_descriptors(small_mnist: Path, tmp_path: Path) -> None:
    """It trains to the end, no pipe of a worker is taken for stdout, and what nobody could read is no success."""
    command = [*TRAIN, "--json", "--data-dir", str(small_mnist), "--runs-dir", str(tmp_path)]
    assert shell("<&- >&- 2>&-", *command) == (1, "", "")
    (kept,) = list_runs(tmp_path)
    assert {its["outcome"] for its in kept["summary"].values() if "outcome" in its} == {"completed"}


def test_missing_descriptors_are_filled() -> None:
    script = """
import os, sys
from tui.terminal import streams
streams.open_missing()
print(min(os.pipe()), [os.get_inheritable(n) for n in range(3)], repr(sys.stdin.read()), file=sys.stdout)
"""
    assert shell("<&- 2>&-", sys.executable, "-c", script) == (0, "3 [True, True, True] ''\n", "")


@pytest.mark.fault("disk", "what a command prints goes to a disk that is full: it says so")
def test_what_a_full_disk_loses_is_told() -> None:
    assert shell(">/dev/full", *COMMAND, "--help") == (1, "", BROKEN.format("No space left on device"))
    assert shell("2>/dev/full", *COMMAND, "frobnicate") == (2, "", "")


class FullDisk(io.StringIO):
    """A file on a disk that is full."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_export_that_a_full_disk_loses_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout", FullDisk())
    assert main.main(["export", "demo"]) == 1
    assert capsys.readouterr().err == BROKEN.format("No space left on device")


@pytest.mark.fault("app", "the terminal's window is closed while a command's last lines are buffered: 129")
def test_a_closed_window_changes_no_code() -> None:
    """Python would write them out once more, and end with 120."""
    ours, theirs = os.openpty()
    os.close(ours)
    script = """
import os, sys
from tui.cli import main as cli
def dispatch(_):
    print("left")
    sys.stderr.write("left")
    return 129
cli._dispatch = dispatch
sys.exit(cli.main([]))
"""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run([sys.executable, "-c", script], stdout=theirs, stderr=theirs, env=env, timeout=60)
    os.close(theirs)
    assert done.returncode == 129


@pytest.mark.fault("app", "a command's reader goes away: no complaint")
def test_a_reader_that_goes_away_is_no_complaint() -> None:
    assert shell("| true", *COMMAND, "--help")[2] == ""
