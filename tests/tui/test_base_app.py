"""What the app looks like where there is little room, few colours, or no more than ASCII."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.pilot import Pilot
from textual.renderables.digits import DIGITS3X3, DIGITS3X3_BOLD

from engines.api import RunHistory, has_braille, read_events
from engines.session.replay import DEMO, MAX_SPEED, Replay
from tests.support.pilot import screen_text, until
from tests.support.recording import shown
from tests.tui.test_snapshots import SNAPSHOTS
from tui import formatting
from tui.app import MnistApp
from tui.base_app import BaseApp
from tui.charts.braille import Axes, Series
from tui.charts.sparkline import bar, spark
from tui.cli import main
from tui.screens.dialogs import NameDialog, Question
from tui.widgets import header
from tui.widgets.chart import LineChart
from tui.widgets.engine_panel import GLYPHS
from tui.widgets.pixel_image import HALVES, PixelImage
from tui.widgets.results_card import confusions
from tui.widgets.text_line import TextLine


@pytest.mark.parametrize("height", [17, 18])
async def test_panes_above_each_other_have_charts_both_or_none(height: int) -> None:
    async with shown(60.0, (58, height)) as app:
        charts = app.screen.query(LineChart)
        assert len({chart.size.height for chart in charts if chart.has_class("loss")}) == 1


@pytest.mark.parametrize("width", [32, 40])
async def test_no_figure_is_cut_off(width: int) -> None:
    """What has no room is not there at all."""
    async with shown(400.0, (width, 20)) as app:
        lines = screen_text(app).splitlines()
    headings = [line for line in lines if line.startswith(("│ loss", "│ accuracy"))]
    assert len(headings) == 4
    assert all("test 0.05" in one or one.rstrip(" │").endswith(("%", ")")) for one in headings)
    assert "…" not in "".join(line for line in lines if "race" in line or "RECORDED" in line)


@pytest.mark.parametrize("screen", range(1, 6))
def test_tabs_that_are_numbers_stand_apart(screen: int) -> None:
    replay = Replay(list(read_events(DEMO)), MAX_SPEED)
    replay.drain()
    tabs = header.header(replay, replay.now(), 80, screen, {"$warning": "red"}).plain.partition("RECORDED")[0].split()
    assert len(tabs) == 6, "four numbers, and the shown one with its name"


class Hidden(BaseApp):
    """Widgets that repaint only what has changed, in a part of the screen that can be hidden."""

    def compose(self) -> ComposeResult:
        with Vertical():
            yield TextLine()
            yield PixelImage(4, 4)
            yield LineChart(ascii_only=True)


async def test_what_was_said_while_hidden_is_there_when_shown() -> None:
    """Textual keeps the rows that it has painted, as they were."""
    async with Hidden(ascii_only=True).run_test(size=(40, 12)) as pilot:
        app = pilot.app
        line, pixels = app.query_one(TextLine), app.query_one(PixelImage)
        chart, part = app.query_one(LineChart), app.query_one(Vertical)
        pixels.ascii_only = True
        chart.set_headings(Text("before"))
        await pilot.pause()
        part.display = False
        await pilot.pause()
        line.set_text(Text("a caption"))
        pixels.show([[255] * 4] * 4)
        chart.set_headings(Text("after"))
        chart.set_series([Series("keras", [0, 1], [0.0, 1.0])], Axes())
        await pilot.pause()
        part.display = True
        await pilot.pause()
        rows = [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]
    assert rows[:4] == ["a caption", "@@@@", "@@@@", "after"]
    assert "1+" in rows[4]


# Characters

DIALOGS = (lambda: Question("Sure?", "Yes"), lambda: NameDialog("a run", "its name", "a note"))
"""The form of settings is in test_themes."""


async def drawn_by(app: MnistApp, pilot: Pilot[None]) -> set[str]:
    """Every character on any of the screens and dialogs, with the recording at its end."""
    found: set[str] = set()

    async def look(*keys: str) -> None:
        await pilot.press(*keys)
        app.draw_frame()
        await pilot.pause()
        found.update(*(strip.text for strip in app.screen._compositor.render_strips()))

    for keys in ("l", "o", "2", "3", "4", "tab", "5", "question_mark", "escape,ctrl+p", "escape,1"):
        await look(*keys.split(","))
    for dialog in DIALOGS:
        await app.push_screen(dialog())
        await look("tab")
        app.pop_screen()
    return found


OUR_OWN = {*"".join(GLYPHS.values()), *HALVES.values(), *spark(range(9), 9, maximum=8), *"".join(bar(0.25, 2))}
"""What a recording need not show."""


async def test_every_character_is_a_cell_wide_and_has_its_like_in_ascii() -> None:
    async with shown(400.0, (100, 32)) as app:
        found = await drawn_by(app, Pilot(app))
    found |= {one for path in SNAPSHOTS.glob("*.txt") for one in path.read_text(encoding="utf-8")}
    found |= OUR_OWN | set("".join(DIGITS3X3 + DIGITS3X3_BOLD).replace("£", "").replace("€", ""))
    curves = {chr(code) for code in range(0x2800, 0x2900)}  # LineChart and the spinner have others for ASCII
    foreign = {one for one in found - curves if not one.isascii()}
    assert {one for one in foreign if cell_len(one) != 1} == set()
    assert foreign - set(formatting.ASCII) == set()
    assert {one for one in foreign if not is_common(one)} == set()
    assert all(len(like) == 1 and like.isascii() for like in formatting.ASCII.values())


def is_common(character: str) -> bool:
    """Whether the usual fonts of terminals have it, or terminals draw it themselves, and none takes it for an emoji.

    That is Latin-1, punctuation, arrows, boxes, blocks and geometric shapes; and two marks, beside words that say the same.
    """
    code = ord(character)
    emoji = code in (0x25AA, 0x25AB, 0x25B6, 0x25C0, *range(0x25FB, 0x25FF))  # Unicode's emoji-variation-sequences.txt
    shape = code in (*range(0x2190, 0x2194), *range(0x2500, 0x2600)) and not emoji
    return code < 0x100 or code in range(0x2010, 0x2030) or shape or character in "≠≤≥√−✓✗"


async def test_in_ascii_nothing_is_a_question_mark_that_was_none() -> None:
    seconds = 400.0
    app = MnistApp(session=Replay(list(read_events(DEMO)), MAX_SPEED, clock=lambda: seconds), ascii_only=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        await pilot.pause()
        text = screen_text(app)
    assert text.isascii()
    assert text.replace("? Help", "").count("?") == 0


def test_the_largest_confusions_are_stressed_without_colour() -> None:
    """NO_COLOR makes red a dark grey."""
    history = RunHistory("pytorch")
    for event in read_events(DEMO):
        if event.engine == "pytorch":
            history.apply(event)
    drawn = Console(width=80, color_system=None).render(
        confusions([history], {"$pytorch": "red", "$error": "red"}, False)
    )
    stressed = {segment.text.strip() for segment in drawn if segment.style and segment.style.reverse}
    assert stressed - {""} == {"8", "9", "10", "12", "14"}


@pytest.mark.parametrize(
    ("term", "braille"),
    [
        ("linux", False),
        ("linux-16color", False),
        ("vt100", False),
        ("rxvt-unicode", None),
        ("mlterm", None),
        ("xterm", True),
    ],
)
def test_who_has_braille(term: str, braille: bool | None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_braille(term) is braille
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(main, "_utf8", lambda: True)
    assert main._ascii_only(Namespace(ascii=False)) is (braille is False)


async def test_the_first_run_says_what_boxes_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "rxvt-unicode-256color")
    async with MnistApp([], runs_dir=tmp_path).run_test() as pilot:
        await until(pilot, lambda: any("--ascii" in one.message for one in pilot.app._notifications))
