"""The app in a real pseudo-terminal: signals, a hang-up, an exception, and a terminal that is whole afterwards."""

from __future__ import annotations

import os
import signal
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pyte
import pytest

from tests.conftest import SCRIPTED

_APP = """
import sys
from pathlib import Path
from tests.conftest import scripted_spec
from tui.app import MnistApp
app = MnistApp(
    [scripted_spec("pytorch"), scripted_spec("keras")],
    {{"epochs": 10000, "batch_size": 64, "data_dir": {data!r}}},
    start=True, cache_dir=Path({folder!r}), runs_dir=Path({folder!r}) / "runs",
)
{extra}
sys.exit(app.run_guarded())
"""

UNDONE = ("\x1b[?1049l", "\x1b[?1000l", "\x1b[?25h")
"""What a program that gives the terminal back has written: alternate screen, mouse and cursor."""


class Terminal:
    """The app, what it wrote, and the screen that this makes."""

    def __init__(self, data: Path, folder: Path, extra: str = "") -> None:
        script = _APP.format(data=str(data), folder=str(folder), extra=extra)
        env = {**os.environ, "PYTHONPATH": str(SCRIPTED.parents[1]), "TERM": "xterm-256color"}
        self.child = pexpect.spawn(
            sys.executable, ["-c", script], dimensions=(40, 120), env=env, timeout=30, encoding="utf-8"
        )
        self.before: Any = termios.tcgetattr(self.child.child_fd)
        self.screen = pyte.Screen(120, 40)
        self.stream = pyte.Stream(self.screen)
        self.written = ""

    def read(self) -> None:
        """Take what the app wrote until now."""
        try:
            text = self.child.read_nonblocking(1 << 16, timeout=0.2)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return
        self.written += text
        self.stream.feed(text)

    def wait_for(self, text: str, timeout: float = 40.0) -> None:
        """Until the text is on the screen."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.read()
            if any(text in line for line in self.screen.display):
                return
        pytest.fail(f"{text!r} never showed:\n" + "\n".join(self.screen.display))

    def workers(self) -> list[psutil.Process]:
        """The processes that the app started."""
        return list(psutil.Process(self.child.pid).children(recursive=True))

    def ended(self, timeout: float = 5.0) -> int:
        """The exit code (or minus the signal), once it has ended."""
        deadline = time.monotonic() + timeout
        while self.child.isalive() and time.monotonic() < deadline:
            self.read()
        assert not self.child.isalive(), f"still there after {timeout} s"
        self.read()
        return self.child.exitstatus if self.child.exitstatus is not None else -(self.child.signalstatus or 0)


@pytest.fixture
def training(small_mnist: Path, tmp_path: Path) -> Terminal:
    """The app, training with two workers."""
    terminal = Terminal(small_mnist, tmp_path)
    terminal.wait_for("training")
    assert len(terminal.workers()) == 2
    return terminal


def gone(processes: list[psutil.Process], timeout: float = 5.0) -> bool:
    """Whether they all end in time."""
    return not psutil.wait_procs(processes, timeout=timeout)[1]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_signals_give_the_terminal_back(number: int, code: int, training: Terminal) -> None:
    workers = training.workers()
    training.child.kill(number)
    assert training.ended() == code
    assert all(sequence in training.written for sequence in UNDONE)
    assert gone(workers)


def test_leaving_by_keys(training: Terminal) -> None:
    workers = training.workers()
    training.child.send("\x03")
    training.wait_for("Leave (y)")
    training.child.send("y")
    assert training.ended() == 0
    assert all(sequence in training.written for sequence in UNDONE)
    assert gone(workers)


def test_an_exception_gives_the_terminal_back(small_mnist: Path, tmp_path: Path) -> None:
    extra = "app.action_help = lambda: 1 / 0"
    terminal = Terminal(small_mnist, tmp_path, extra)
    terminal.wait_for("training")
    workers = terminal.workers()
    terminal.child.send("?")
    assert terminal.ended() == 1
    assert all(sequence in terminal.written for sequence in UNDONE)
    assert "ZeroDivisionError" in terminal.written
    assert gone(workers)


def test_a_terminal_that_is_gone_leaves_nothing_behind(training: Terminal) -> None:
    """A closed window, a cut connection: the app and its workers end within five seconds."""
    processes = [psutil.Process(training.child.pid), *training.workers()]
    os.close(training.child.child_fd)
    training.child.closed = True
    started = time.monotonic()
    os.waitpid(training.child.pid, 0)
    assert time.monotonic() - started < 5.5
    assert gone(processes)


def test_a_killed_app_leaves_no_worker(training: Terminal) -> None:
    workers = training.workers()
    training.child.kill(signal.SIGKILL)
    assert gone(workers)
    training.child.close()


def test_nothing_that_a_worker_prints_reaches_the_screen(
    small_mnist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "garbage@3")
    terminal = Terminal(small_mnist, tmp_path)
    terminal.wait_for("training")
    terminal.wait_for("epoch 2")
    assert "last words" not in terminal.written
    assert "not json" not in terminal.written
    terminal.child.kill(signal.SIGTERM)
    terminal.ended()
