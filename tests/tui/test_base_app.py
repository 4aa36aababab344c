"""The app where there is little room, few colours, or only ASCII."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.pilot import Pilot
from textual.renderables.digits import DIGITS3X3, DIGITS3X3_BOLD

from engines.api import has_braille
from engines.session.replay import MAX_SPEED, Replay
from tests.support.pilot import screen_text, until
from tests.support.recording import demo_events, shown
from tests.tui.test_snapshots import SNAPSHOTS
from tui import formatting
from tui.app import MnistApp
from tui.base_app import BaseApp
from tui.charts.braille import Axes, Series
from tui.charts.sparkline import progress_bar, sparkline
from tui.cli import app as cli_app
from tui.commands import SCREENS
from tui.screens.dialogs import NameDialog, Question
from tui.widgets import header
from tui.widgets.engine_panel import GLYPHS
from tui.widgets.line_chart import LineChart
from tui.widgets.pixel_image import HALF_BLOCKS, PixelImage
from tui.widgets.text_line import TextLine


@pytest.mark.parametrize("height", [17, 18])
async def test_stacked_panes_have_charts_in_both_or_in_none(height: int) -> None:
    async with shown(60.0, (58, height)) as app:
        charts = app.screen.query(LineChart)
        assert len({chart.size.height for chart in charts if chart.has_class("loss")}) == 1


@pytest.mark.parametrize("size", [(34, 24), (58, 24), (58, 16), (50, 12), (90, 12)])
async def test_both_engines_in_one_chart_fit_the_screen(size: tuple[int, int]) -> None:
    """The panes keep their charts where there is no room for another."""
    async with shown(400.0, size, "mnist-dark", "o") as app:
        assert not app.screen.show_vertical_scrollbar
        charts = [chart for chart in app.screen.query(LineChart) if chart.region]
        assert charts
        assert all(app.screen.region.contains_region(chart.region) for chart in charts)


@pytest.mark.parametrize("width", [32, 40, 60, 68])
async def test_no_figure_is_cut_off(width: int) -> None:
    """Figures without room are left out, also the versions in a pane's title."""
    async with shown(400.0, (width, 20)) as app:
        lines = screen_text(app).splitlines()
    headings = [
        part for line in lines for part in line.split("││") if part.lstrip("│").startswith((" loss", " accuracy"))
    ]
    assert len(headings) == 4
    assert all("test 0.05" in part or part.rstrip(" │").endswith(("%", ")")) for part in headings)
    assert "…" not in "".join(lines)


@pytest.mark.parametrize("width", [40, 50])
async def test_a_narrow_results_card_has_every_figure(width: int) -> None:
    async with shown(400.0, (width, 80), "mnist-dark", "4") as app:
        text = screen_text(app)
    assert "…" not in "".join(line for line in text.splitlines() if not line.startswith("["))
    assert all(
        figure in text for figure in ("98.29 %", "98.28 %", "98.02 to 98.53 %", "98.01 to 98.52 %", "0.0532", "0.0512")
    )


@pytest.mark.parametrize("screen", range(1, 6))
def test_numbered_tabs_are_separated(screen: int) -> None:
    replay = Replay(demo_events(), MAX_SPEED)
    replay.drain()
    tabs = (
        header.render_header(replay, replay.now(), 80, screen, {"$warning": "red"})
        .plain.partition("RECORDED")[0]
        .split()
    )
    assert len(tabs) == len(SCREENS) + 1, "the numbers, and the shown one with its name"


def test_the_header_says_who_has_which_gpu() -> None:
    replay = Replay(demo_events(), MAX_SPEED)
    replay.drain()
    for engine, device in (("pytorch", "cuda:1"), ("keras", "cuda:0")):
        history = replay.histories[engine]
        assert history.started is not None
        history.started = replace(history.started, device=device)
    text = header.render_header(replay, replay.now(), 200, 1, {"$warning": "red"}).plain
    assert "· PyTorch cuda:1 + Keras cuda:0 ·" in text


class HiddenWidgets(BaseApp):
    """Widgets that repaint only changes, in a container that can be hidden."""

    def compose(self) -> ComposeResult:
        with Vertical():
            yield TextLine()
            yield PixelImage(4, 4)
            yield LineChart(ascii_only=True)


async def test_updates_of_hidden_widgets_are_visible_once_shown() -> None:
    """Textual caches the rows that it painted before."""
    async with HiddenWidgets(ascii_only=True).run_test(size=(40, 12)) as pilot:
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
"""test_themes covers the settings form."""


async def drawn_by(app: MnistApp, pilot: Pilot[None]) -> set[str]:
    """Return every character on all screens and dialogs, at the end of the recording."""
    characters: set[str] = set()

    async def collect(*keys: str) -> None:
        await pilot.press(*keys)
        app.draw_frame()
        await pilot.pause()
        characters.update(*(strip.text for strip in app.screen._compositor.render_strips()))

    for keys in ("l", "o", "2", "3", "4", "tab", "5", "question_mark", "escape,ctrl+p", "escape,1"):
        await collect(*keys.split(","))
    for dialog in DIALOGS:
        await app.push_screen(dialog())
        await collect("tab")
        app.pop_screen()
    return characters


UNRECORDED = {
    *"".join(GLYPHS.values()),
    *HALF_BLOCKS.values(),
    *sparkline(range(9), 9, maximum=8),
    *"".join(progress_bar(0.25, 2)),
}
"""Characters that a recording need not show."""


async def test_every_character_is_one_cell_wide_and_has_an_ascii_fallback() -> None:
    async with shown(400.0, (100, 32)) as app:
        characters = await drawn_by(app, Pilot(app))
    characters |= {one for path in SNAPSHOTS.glob("*.txt") for one in path.read_text(encoding="utf-8")}
    characters |= UNRECORDED | set("".join(DIGITS3X3 + DIGITS3X3_BOLD).replace("£", "").replace("€", ""))
    curves = {chr(code) for code in range(0x2800, 0x2900)}  # LineChart and the spinner have their own ASCII characters
    foreign = {one for one in characters - curves if not one.isascii()}
    assert {one for one in foreign if cell_len(one) != 1} == set()
    assert foreign - set(formatting.ASCII) == set()
    assert {one for one in foreign if not is_common(one)} == set()
    assert all(len(like) == 1 and like.isascii() for like in formatting.ASCII.values())


def is_common(character: str) -> bool:
    """Return whether common fonts or terminals can draw a character, and none draws it as an emoji.

    That is Latin-1, punctuation, arrows, boxes, blocks and geometric shapes, and two marks beside words of the same meaning.
    """
    code = ord(character)
    emoji = code in (0x25AA, 0x25AB, 0x25B6, 0x25C0, *range(0x25FB, 0x25FF))  # Unicode's emoji-variation-sequences.txt
    shape = code in (*range(0x2190, 0x2194), *range(0x2500, 0x2600)) and not emoji
    return code < 0x100 or code in range(0x2010, 0x2030) or shape or character in "≠≤≥√−✓✗"


async def test_no_character_becomes_a_question_mark_in_ascii() -> None:
    seconds = 400.0
    app = MnistApp(session=Replay(demo_events(), MAX_SPEED, clock=lambda: seconds), ascii_only=True)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        await pilot.pause()
        text = screen_text(app)
    assert text.isascii()
    assert text.replace("? Help", "").count("?") == 0


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
def test_terminals_without_braille_fonts_get_ascii(
    term: str, braille: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert has_braille(term) is braille
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(cli_app, "_is_utf8", lambda: True)
    assert cli_app.ascii_only(Namespace(ascii=False)) is (braille is False)


async def test_the_first_run_explains_the_ascii_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "rxvt-unicode-256color")
    async with MnistApp([], runs_dir=tmp_path).run_test() as pilot:
        await until(pilot, lambda: any("--ascii" in one.message for one in pilot.app._notifications))
