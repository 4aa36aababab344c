"""The app in a real pseudo-terminal: what it writes, the screen that this makes, its workers, and what it leaves on disk."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pexpect
import psutil
import pyte
import pytest

from engines.api import Event, list_runs, read_events
from tests.support.engines import SCRIPTED
from tui.terminal.driver import QUERY

ROOT = SCRIPTED.parents[2]

_APP = """
import sys
from pathlib import Path
from tests.support.engines import scripted_spec
from tui.app import MnistApp
app = MnistApp(
    [scripted_spec("pytorch"), scripted_spec("keras")],
    {{"epochs": 10000, "batch_size": 64, "data_dir": {data!r}}},
    start=True, cache_dir=Path({folder!r}), runs_dir=Path({folder!r}) / "runs",
)
{extra}
sys.exit(app.run_guarded())
"""

TAKEN = ("\x1b[?1049h", "\x1b[?1000h", "\x1b[?25l")
"""What a program that takes the terminal has written: alternate screen, mouse and cursor."""
UNDONE = ("\x1b[?1049l", "\x1b[?1000l", "\x1b[?25h")
"""And one that gives it back."""


def app(data: Path, folder: Path, extra: str = "") -> list[str]:
    """The command that opens the app, training with two scripted engines."""
    return [sys.executable, "-c", _APP.format(data=str(data), folder=str(folder), extra=extra)]


class Terminal:
    """A program, what it wrote, and the screen that this makes."""

    def __init__(
        self, command: Sequence[str], folder: Path, size: tuple[int, int] = (120, 40), **environment: str
    ) -> None:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment}
        columns, rows = size
        self.child = pexpect.spawn(
            command[0], list(command[1:]), dimensions=(rows, columns), env=env, timeout=30, encoding="utf-8"
        )
        self.before: Any = termios.tcgetattr(self.child.child_fd)
        self.runs = folder / "runs"
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)
        self.written = ""

    def read(self) -> None:
        """Take what the program wrote until now."""
        try:
            text = self.child.read_nonblocking(1 << 16, timeout=0.2)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return
        self.written += text
        self.stream.feed(text)

    def wait_until(self, true: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
        """Read until something is true."""
        deadline = time.monotonic() + timeout
        while not true():
            if time.monotonic() > deadline:
                pytest.fail(f"never {what}:\n" + "\n".join(self.screen.display))
            self.read()

    def wait_for(self, text: str, timeout: float = 60.0) -> None:
        """Until the text is on the screen."""
        self.wait_until(lambda: any(text in line for line in self.screen.display), f"on the screen: {text!r}", timeout)

    def wait_for_the_end(self, engines: int = 2) -> None:
        """Until the panes and the lanes of so many engines say so: before that, leaving asks first."""
        self.wait_until(lambda: "".join(self.screen.display).count("finished") >= 2 * engines, "finished")

    def wait_for_checkpoints(self) -> None:
        """Until both engines have one to go on from."""
        self.wait_until(lambda: len(list(self.runs.glob("*/[!.]*.npz"))) == 2, "two checkpoints")

    def send(self, keys: str) -> None:
        """Press keys."""
        self.child.send(keys)

    def processes(self) -> list[psutil.Process]:
        """Those that the program started."""
        return list(psutil.Process(self.child.pid).children(recursive=True))

    def ended(self, timeout: float = 5.0) -> int:
        """The exit code (or minus the signal), once it has ended."""
        deadline = time.monotonic() + timeout
        while self.child.isalive() and time.monotonic() < deadline:
            self.read()
        assert not self.child.isalive(), f"still there after {timeout} s"
        self.read()
        return self.child.exitstatus if self.child.exitstatus is not None else -(self.child.signalstatus or 0)

    def hang_up(self) -> None:
        """Close the terminal, as a window does."""
        self.child.ptyproc.fileobj.close()

    def end(self) -> None:
        """Leave nothing behind, whatever state it is in."""
        with contextlib.suppress(OSError, pexpect.ExceptionPexpect):  # also where the test itself has waited for it
            self.child.close(force=True)

    @property
    def given_back(self) -> bool:
        """Whether screen, mouse, cursor and line discipline are what they were."""
        undone = all(self.written.rfind(sequence) >= self.written.rfind(TAKEN[0]) for sequence in UNDONE)
        return undone and termios.tcgetattr(self.child.child_fd)[:4] == self.before[:4]

    def record(self) -> list[Event]:
        """Everything that is on disk of the one run."""
        (path,) = self.runs.glob("*/events.jsonl")
        return list(read_events(path))


class PixelTerminal(Terminal):
    """A pseudo-terminal that answers as one does that tells its size in band and the mouse in pixels; cells have 10 by 20."""

    CELL = (10, 20)
    _answered = 0

    def read(self) -> None:
        """Also answer what it is asked."""
        super().read()
        asked, on = "\x1b[?2048$p", "\x1b[?2048h"
        if self._answered == 0 and asked in self.written:
            self._answered = 1
            self.send("\x1b[?2048;2$y")
        if self._answered == 1 and on in self.written:
            self._answered = 2
            columns, rows = self.screen.columns, self.screen.lines
            self.send(f"\x1b[48;{rows};{columns};{rows * self.CELL[1]};{columns * self.CELL[0]}t")

    def point(self, button: int, x: float, y: float, *, up: bool = False) -> None:
        """The mouse, at so many cells from the corner; told in pixels once it was asked to."""
        assert "\x1b[?1016h" in self.written, "nobody asked for pixels"
        at = (1 + int(place * side) for place, side in zip((x, y), self.CELL, strict=True))
        self.send(f"\x1b[<{button};{';'.join(map(str, at))}{'m' if up else 'M'}")


def without_reading(true: Callable[[], bool], timeout: float = 60.0) -> None:
    """Wait until something is true, while nobody reads what the program writes."""
    deadline, never = time.monotonic() + timeout, threading.Event()
    while not true():
        assert time.monotonic() < deadline
        never.wait(0.1)


def gone(processes: Sequence[psutil.Process], timeout: float = 5.0) -> bool:
    """Whether they all end in time."""
    return not psutil.wait_procs(processes, timeout=timeout)[1]


def is_interrupted(runs: Path) -> bool:
    """Whether the one kept run of both engines is shown as cut off, and can go on."""
    (kept,) = list_runs(runs)
    outcomes = {engine: its["outcome"] for engine, its in kept["summary"].items() if engine in ("pytorch", "keras")}
    assert outcomes == {"pytorch": "interrupted", "keras": "interrupted"}, json.dumps(kept)
    assert kept["resumable"] == ["pytorch", "keras"], [*map(str, runs.glob("*/*")), json.dumps(kept)]
    return True


def environment_of(variables: Mapping[str, str]) -> list[str]:
    """`env NAME=value ...`, for a command that starts with none of ours."""
    return ["env", *(f"{name}={value}" for name, value in variables.items())]


class AnsweringTerminal(Terminal):
    """A pseudo-terminal that says where its cursor is when it is asked, as real ones do; or that is slow to do so."""

    withholds = False
    """Whether answers wait for `answer`, as behind a slow link."""
    _answered = 0

    def read(self) -> None:
        """Also answer what it is asked."""
        super().read()
        if not self.withholds:
            self.answer()

    @property
    def unanswered(self) -> int:
        """How many queries wait for an answer."""
        return self.written.count(QUERY) - self._answered

    def answer(self) -> None:
        """Every query that waits."""
        for _ in range(self.unanswered):
            self._answered += 1
            self.send("\x1b[1;1R")
