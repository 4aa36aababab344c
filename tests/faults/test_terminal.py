"""A terminal at the end of a slow link, and one that another program has written on."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.terminal import AnsweringTerminal, app_command

CONSTANT_TEXT = (("1 Train",), ("╭",), ("Quit", "Close"))
"""Texts in the first line, the second and the last, which no frame repaints; a dialog has its own last line."""

MODES = ("\x1b[?1049h", "\x1b[?1003h", "\x1b[?25l", "\x1b[?2004h", "\x1b[?2048$p")
"""Modes that a terminal must be set to after it is attached."""


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[AnsweringTerminal]:
    """Return a terminal that answers, in which the demo recording plays."""
    terminal = AnsweringTerminal([sys.executable, "-m", "tui", "replay", "demo", "--speed", "10"], tmp_path)
    terminal.wait_for("training")
    yield terminal
    terminal.close()


def is_painted(terminal: AnsweringTerminal) -> bool:
    """Return whether all of the screen is painted."""
    display = terminal.screen.display
    return all(
        any(word in display[line] for word in words) for words, line in zip(CONSTANT_TEXT, (0, 1, -1), strict=True)
    )


@pytest.mark.fault("terminal", "a link slower than the frames: they wait for it, keys do not, and no query is lost")
def test_frames_wait_for_the_terminal(terminal: AnsweringTerminal) -> None:
    terminal.withholds_answers = True
    terminal.wait_until(lambda: terminal.unanswered == 1, "queried after a frame")
    for _ in range(3):  # output that was under way
        terminal.read()
    before = len(terminal.written)
    for _ in range(4):  # nearly a second in which nothing comes; eight frames would
        terminal.read()
    assert len(terminal.written) == before, "a frame was sent while the last was under way"
    terminal.send("?")
    terminal.wait_for("These keys")
    terminal.send("\x1b")
    terminal.wait_until(lambda: is_painted(terminal), "the help closed")
    terminal.withholds_answers = False
    terminal.answer()
    queries = terminal.written.count("\x1b[6n")
    terminal.wait_until(lambda: terminal.written.count("\x1b[6n") > queries + 3, "frames again")


@pytest.mark.fault(
    "terminal", "a run ends while another window has the focus: one notice, and the title has the outcome"
)
def test_a_notice_of_the_end(small_mnist: Path, tmp_path: Path) -> None:
    command = app_command(small_mnist, tmp_path, "app.notices = 'osc777'")
    with contextlib.closing(AnsweringTerminal(command, tmp_path, (80, 24), MNIST_TUI_SCRIPT="slow")) as terminal:
        terminal.wait_until(lambda: terminal.screen.title.startswith("mnist-tui 0 %"), "in the title")
        terminal.wait_for("training")
        terminal.send("x\x1b[O")  # stop, and look elsewhere
        terminal.wait_until(lambda: terminal.screen.title.startswith("mnist-tui stopped"), "in the title")
        terminal.send("q")
        assert terminal.wait_for_exit() == 0
        (notice,) = re.findall(r"\x1b\]777;([^\x07]*)\x07", terminal.written)
        assert re.fullmatch(r"notify;mnist-tui;stopped( · .+)?", notice)
        assert terminal.is_restored


@pytest.mark.fault("terminal", "an answer under way when the app stops: the shell gets no keys")
def test_no_answer_reaches_the_shell(terminal: AnsweringTerminal) -> None:
    terminal.withholds_answers = True
    terminal.wait_until(lambda: terminal.unanswered == 1, "queried after a frame")
    before, process = len(terminal.written), psutil.Process(terminal.child.pid)
    link = threading.Timer(0.3, terminal.answer)
    link.start()
    terminal.child.kill(signal.SIGTSTP)
    terminal.wait_until(lambda: process.status() == psutil.STATUS_STOPPED, "stopped")
    link.join()
    terminal.read()
    assert "^[" not in terminal.written[before:], "the answer was echoed, as typed keys are"


@pytest.mark.fault(
    "terminal",
    "another program writes on the screen, or a blank terminal is attached: ctrl+l or SIGWINCH, in a dialog too",
)
@pytest.mark.parametrize("how", ["ctrl+l", "SIGWINCH"])
def test_the_screen_is_repainted(how: str, terminal: AnsweringTerminal) -> None:
    """Programs that attach a terminal, as dtach and abduco do, send SIGWINCH although its size is the same."""

    def repaint() -> None:
        if how == "ctrl+l":
            terminal.send("\x0c")
        else:
            terminal.child.kill(signal.SIGWINCH)

    for dialog in (False, True):
        if dialog:
            terminal.send("?")
            terminal.wait_for("These keys")
        terminal.stream.feed("\x1b[40;60Hfrom elsewhere\x1b[3;1Hfrom elsewhere")
        repaint()
        terminal.wait_until(lambda: not any("elsewhere" in line for line in terminal.screen.display), "painted over")
        terminal.screen.reset()
        terminal.written = ""
        repaint()
        terminal.wait_until(lambda: all(mode in terminal.written for mode in MODES), "set up again")
        terminal.wait_until(lambda: is_painted(terminal), "painted")
