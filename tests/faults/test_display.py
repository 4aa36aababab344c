"""Real terminals that break Textual's assumptions: without a size, with two sizes, without an alternate screen."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest
from textual import events
from textual.geometry import Size
from textual.screen import Screen

from engines.session.replay import Replay
from tests.support.terminal import Terminal
from tui.app import MnistApp
from tui.terminal import textual_patches

REPLAY = shlex.join([sys.executable, "-m", "tui", "replay", "demo"])


def is_painted(terminal: Terminal) -> bool:
    """Return whether a replay fills the terminal's current screen, from its first line to its last and to its right edge."""
    head, *_, foot = terminal.screen.display
    corners = terminal.screen.display[1][-1] == "╮" and terminal.screen.display[1][0] == "╭"
    return "RECORDED" in head and "Quit" in foot and corners


def is_cleared(terminal: Terminal) -> bool:
    """Return whether the app's screen is gone from a terminal without an alternate screen, as pyte's is."""
    return "".join(terminal.screen.display).split() in (
        [],
        ["u"],
    )  # pyte shows the end of sequences that it does not know


@pytest.mark.fault("input", "stdout is a file, or COLUMNS and LINES are another terminal's: the app fills the terminal")
@pytest.mark.parametrize("how", ["redirected", "exported"])
def test_the_terminals_own_size(how: str, tmp_path: Path) -> None:
    command = f"exec {REPLAY} >log" if how == "redirected" else f"COLUMNS=80 LINES=24 exec {REPLAY}"
    terminal = Terminal(["sh", "-c", command], tmp_path)
    terminal.wait_until(lambda: is_painted(terminal), "painted at 120x40")
    terminal.screen.resize(30, 100)
    terminal.child.setwinsize(30, 100)
    terminal.wait_until(lambda: is_painted(terminal), "painted at 100x30")
    terminal.send("q")
    assert terminal.wait_for_exit(20) == 0
    assert terminal.is_restored
    assert is_cleared(terminal)


@pytest.mark.fault("input", "a terminal of 0 rows: 80x24 until it says more")
def test_a_terminal_without_a_size(tmp_path: Path) -> None:
    terminal = Terminal(["sh", "-c", f"stty rows 0 cols 0; exec {REPLAY}"], tmp_path, (80, 24))
    terminal.wait_until(lambda: is_painted(terminal), "painted at 80x24")
    terminal.screen.resize(40, 120)
    terminal.child.setwinsize(40, 120)
    terminal.wait_until(lambda: is_painted(terminal), "painted at 120x40")
    terminal.send("\x03")
    assert terminal.wait_for_exit(20) == 0


@pytest.mark.fault("input", "two sizes in the queue at once: the app settles at the last")
async def test_two_sizes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Screen, "_screen_resized", Screen._screen_resized)  # undone after the test
    textual_patches.fix_outdated_sizes()
    app = MnistApp(session=Replay([]))
    async with app.run_test(size=(80, 24)) as pilot:
        for size in (Size(100, 30), Size(90, 20)):
            app.screen.post_message(events.Resize(size, size))
            app.screen.call_later(lambda: None)  # else Textual merges the two
        await pilot.pause()
        assert app.screen.size == app.size
