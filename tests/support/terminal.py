"""Programs in a real pseudo-terminal: what they write, the screen that it makes, their processes, and their run on disk."""

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
from tests.support.run_folders import checkpoints
from tui.terminal import osc
from tui.terminal.driver import QUERY

ROOT = Path(__file__).parents[2]

SETUP_SEQUENCES = ("\x1b[?1049h", "\x1b[?1000h", "\x1b[?25l")
"""Written by a program that sets up the terminal: alternate screen, mouse and hidden cursor."""
RESTORE_SEQUENCES = ("\x1b[?1049l", "\x1b[?1000l", "\x1b[?25h")
"""Written by a program that restores the terminal."""
TITLE = f"\x1b]2;{osc.APP}"
"""The start of each title that the app sets."""


def app_command(data: Path, folder: Path, statements: str = "") -> list[str]:
    """Return the command that opens the app, training with two scripted engines, after the Python statements."""
    return [sys.executable, "-m", "tests.programs.scripted_app", str(data), str(folder), statements]


class Terminal:
    """A program in a pseudo-terminal, its output, and the screen that it makes."""

    def __init__(
        self, command: Sequence[str], folder: Path, size: tuple[int, int] = (120, 40), **environment: str
    ) -> None:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment}
        env.pop("PYTHONUNBUFFERED", None)  # users do not set it
        columns, rows = size
        self.child = pexpect.spawn(
            command[0], list(command[1:]), dimensions=(rows, columns), env=env, timeout=30, encoding="utf-8"
        )
        self.initial_settings: Any = termios.tcgetattr(self.child.child_fd)
        self.runs = folder / "runs"
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.Stream(self.screen)
        self.written = ""

    def read(self) -> None:
        """Read what the program has written, waiting for at most 0.2 seconds."""
        try:
            text = self.child.read_nonblocking(1 << 16, timeout=0.2)
        except (pexpect.TIMEOUT, pexpect.EOF):
            return
        self.written += text
        self.stream.feed(text)

    def wait_until(self, condition: Callable[[], bool], what: str, timeout: float = 60.0) -> None:
        """Read until the condition is true; `what` names it in the failure."""
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"never {what}:\n" + "\n".join(self.screen.display))
            self.read()

    def wait_for(self, text: str, timeout: float = 60.0) -> None:
        """Read until the text is on the screen."""
        self.wait_until(lambda: any(text in line for line in self.screen.display), f"on the screen: {text!r}", timeout)

    def wait_until_finished(self, engines: int = 2) -> None:
        """Read until the panes and the race show all engines as finished: before that, the app asks before it quits."""
        self.wait_until(lambda: "".join(self.screen.display).count("finished") >= 2 * engines, "finished")

    def wait_for_checkpoints(self) -> None:
        """Read until both engines have a checkpoint to resume from."""
        self.wait_until(lambda: len(checkpoints(self.runs)) == 2, "two checkpoints")

    def send(self, keys: str) -> None:
        """Press keys."""
        self.child.send(keys)

    def processes(self) -> list[psutil.Process]:
        """Return the processes that the program started."""
        return list(psutil.Process(self.child.pid).children(recursive=True))

    def wait_for_exit(self, timeout: float = 5.0) -> int:
        """Read until the program has ended; return its exit code, or minus the signal."""
        deadline = time.monotonic() + timeout
        while self.child.isalive() and time.monotonic() < deadline:
            self.read()
        assert not self.child.isalive(), f"still there after {timeout} s"
        self.read()
        return self.child.exitstatus if self.child.exitstatus is not None else -(self.child.signalstatus or 0)

    def hang_up(self) -> None:
        """Close the terminal, as a window does."""
        self.child.ptyproc.fileobj.close()

    def close(self) -> None:
        """End the program, whatever state it is in."""
        with contextlib.suppress(OSError, pexpect.ExceptionPexpect):  # the test may have waited for the process itself
            self.child.close(force=True)

    @property
    def is_restored(self) -> bool:
        """True when screen, mouse, cursor, title and line settings are as they were."""
        restored = all(
            self.written.rfind(sequence) >= self.written.rfind(SETUP_SEQUENCES[0]) for sequence in RESTORE_SEQUENCES
        )
        restored &= self.written.count(osc.SAVE_TITLE) <= self.written.count(osc.RESTORE_TITLE)
        restored &= self.written.rfind(osc.RESTORE_TITLE) >= self.written.rfind(TITLE)
        return restored and termios.tcgetattr(self.child.child_fd)[:4] == self.initial_settings[:4]

    def record(self) -> list[Event]:
        """Return the events on disk of the only run."""
        (path,) = self.runs.glob("*/events.jsonl")
        return list(read_events(path))


class PixelTerminal(Terminal):
    """A pseudo-terminal that reports its size in band and the mouse in pixels; its cells have 10 by 20 pixels."""

    CELL = (10, 20)
    _answered = 0

    def read(self) -> None:
        """Read, and answer the queries for in-band size reports."""
        super().read()
        query, enable = "\x1b[?2048$p", "\x1b[?2048h"
        if self._answered == 0 and query in self.written:
            self._answered = 1
            self.send("\x1b[?2048;2$y")
        if self._answered == 1 and enable in self.written:
            self._answered = 2
            columns, rows = self.screen.columns, self.screen.lines
            self.send(f"\x1b[48;{rows};{columns};{rows * self.CELL[1]};{columns * self.CELL[0]}t")

    def send_mouse(self, button: int, x: float, y: float, *, up: bool = False) -> None:
        """Send a mouse event at a position in cells from the corner, reported in pixels."""
        assert "\x1b[?1016h" in self.written, "pixel reports were not enabled"
        position = (1 + int(cells * pixels) for cells, pixels in zip((x, y), self.CELL, strict=True))
        self.send(f"\x1b[<{button};{';'.join(map(str, position))}{'m' if up else 'M'}")


class AnsweringTerminal(Terminal):
    """A pseudo-terminal that answers queries for its cursor's position, as real ones do, at once or on demand."""

    withholds_answers = False
    """True while answers wait for `answer`, as on a slow link."""
    _answered = 0

    def read(self) -> None:
        """Read, and answer the queries."""
        super().read()
        if not self.withholds_answers:
            self.answer()

    @property
    def unanswered(self) -> int:
        """The number of queries without an answer."""
        return self.written.count(QUERY) - self._answered

    def answer(self) -> None:
        """Answer every open query."""
        for _ in range(self.unanswered):
            self._answered += 1
            self.send("\x1b[1;1R")


def wait_without_reading(condition: Callable[[], bool], timeout: float = 60.0) -> None:
    """Wait until the condition is true, without reading what the program writes."""
    deadline, never = time.monotonic() + timeout, threading.Event()
    while not condition():
        assert time.monotonic() < deadline
        never.wait(0.1)


def all_exited(processes: Sequence[psutil.Process], timeout: float = 5.0) -> bool:
    """Wait for the processes; return whether all ended in time."""
    return not psutil.wait_procs(processes, timeout=timeout)[1]


def is_interrupted(runs: Path) -> bool:
    """Return true if the only saved run is listed as interrupted in both engines, and resumable; fail otherwise."""
    (run,) = list_runs(runs)
    outcomes = {engine: its["outcome"] for engine, its in run["summary"].items() if engine in ("pytorch", "keras")}
    assert outcomes == {"pytorch": "interrupted", "keras": "interrupted"}, json.dumps(run)
    assert run["resumable"] == ["pytorch", "keras"], [*map(str, runs.glob("*/*")), json.dumps(run)]
    return True


def env_command(variables: Mapping[str, str]) -> list[str]:
    """Return `env NAME=value ...`, the start of a command that needs these variables."""
    return ["env", *(f"{name}={value}" for name, value in variables.items())]
