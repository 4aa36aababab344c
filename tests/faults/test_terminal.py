"""A terminal at the end of a slow link, and one that something else has written on."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.terminal import AnsweringTerminal

ALL_OF_IT = ("mnist-tui", "╭", "Quit")
"""Words of the first line, the second and the last, which no frame paints again."""

MODES = ("\x1b[?1049h", "\x1b[?1003h", "\x1b[?25l", "\x1b[?2004h", "\x1b[?2048$p")
"""What a terminal that was just attached has to be told."""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[AnsweringTerminal]:
    """The recording of a run, played in a terminal that answers."""
    terminal = AnsweringTerminal([sys.executable, "-m", "tui", "replay", "demo", "--speed", "10"], tmp_path)
    terminal.wait_for("training")
    yield terminal
    terminal.end()


def painted(terminal: AnsweringTerminal) -> bool:
    """Whether all of the screen is there."""
    display = terminal.screen.display
    return all(word in display[line] for word, line in zip(ALL_OF_IT, (0, 1, -1), strict=True))


@pytest.mark.fault(
    "terminal", "a link slower than the frames: they wait for it, keys do not, and it is never asked in vain"
)
def test_frames_wait_for_the_terminal(terminal: AnsweringTerminal) -> None:
    terminal.withholds = True
    terminal.wait_until(lambda: terminal.unanswered == 1, "asked after a frame")
    for _ in range(3):  # what was on its way
        terminal.read()
    before = len(terminal.written)
    for _ in range(4):  # nearly a second in which nothing comes; eight frames would
        terminal.read()
    assert len(terminal.written) == before, "a frame was sent while the last one was under way"
    terminal.send("?")
    terminal.wait_for("This page.")
    terminal.send("\x1b")
    terminal.wait_until(lambda: painted(terminal), "the help closed")
    terminal.withholds = False
    terminal.answer()
    asked = terminal.written.count("\x1b[6n")
    terminal.wait_until(lambda: terminal.written.count("\x1b[6n") > asked + 3, "frames again")


@pytest.mark.fault("terminal", "an answer under way when the app gives the terminal back: the shell gets no keys")
def test_no_answer_reaches_the_shell(terminal: AnsweringTerminal) -> None:
    terminal.withholds = True
    terminal.wait_until(lambda: terminal.unanswered == 1, "asked after a frame")
    before, app = len(terminal.written), psutil.Process(terminal.child.pid)
    link = threading.Timer(0.3, terminal.answer)
    link.start()
    terminal.child.kill(signal.SIGTSTP)
    terminal.wait_until(lambda: app.status() == psutil.STATUS_STOPPED, "stopped")
    link.join()
    terminal.read()
    assert "^[" not in terminal.written[before:], "echoed, as what is typed at a shell is"


@pytest.mark.fault(
    "terminal", "another program writes on the screen, or a blank terminal is attached: ctrl+l, in a dialog too"
)
def test_ctrl_l_repaints(terminal: AnsweringTerminal) -> None:
    for dialog in (False, True):
        if dialog:
            terminal.send("?")
            terminal.wait_for("This page.")
        terminal.stream.feed("\x1b[40;60Hfrom elsewhere\x1b[3;1Hfrom elsewhere")
        terminal.send("\x0c")
        terminal.wait_until(lambda: not any("elsewhere" in line for line in terminal.screen.display), "painted over")
        terminal.screen.reset()
        terminal.written = ""
        terminal.send("\x0c")
        terminal.wait_until(lambda: all(mode in terminal.written for mode in MODES), "taken once more")
        terminal.wait_until(lambda: painted(terminal), "painted")
