"""What the app looks like where there is little room, few colours, or no more than ASCII."""

from __future__ import annotations

import pytest
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical

from engines.api import read_events
from tests.recording import shown
from tests.test_snapshots import text_of
from tui.charts.line_chart import Axes, Series
from tui.looks import Looks
from tui.replay import DEMO, MAX_SPEED, Replay
from tui.widgets import strips
from tui.widgets.chart import LineChart
from tui.widgets.line import Line
from tui.widgets.pixels import Pixels


@pytest.mark.parametrize("height", [17, 18])
async def test_panes_above_each_other_have_charts_both_or_none(height: int) -> None:
    async with shown(60.0, (58, height)) as app:
        charts = app.screen.query(LineChart)
        assert len({chart.size.height for chart in charts if chart.has_class("loss")}) == 1


@pytest.mark.parametrize("width", [32, 40])
async def test_no_figure_is_cut_off(width: int) -> None:
    """What has no room is not there at all."""
    async with shown(400.0, (width, 20)) as app:
        lines = text_of(app).splitlines()
    headings = [line for line in lines if line.startswith(("│ loss", "│ accuracy"))]
    assert len(headings) == 4
    assert all("test 0.05" in one or one.rstrip(" │").endswith(("%", ")")) for one in headings)
    assert "…" not in "".join(line for line in lines if "race" in line or "RECORDED" in line)


@pytest.mark.parametrize("screen", range(1, 6))
def test_tabs_that_are_numbers_stand_apart(screen: int) -> None:
    replay = Replay(list(read_events(DEMO)), MAX_SPEED)
    replay.drain()
    tabs = strips.header(replay, replay.now(), 80, screen, {"$warning": "red"}).plain.partition("RECORDED")[0].split()
    assert len(tabs) == 6, "four numbers, and the shown one with its name"


class Hidden(Looks):
    """Widgets that repaint only what has changed, in a part of the screen that can be hidden."""

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Line()
            yield Pixels(4, 4)
            yield LineChart(ascii_only=True)


async def test_what_was_said_while_hidden_is_there_when_shown() -> None:
    """Textual keeps the rows that it has painted, as they were."""
    async with Hidden(ascii_only=True).run_test(size=(40, 12)) as pilot:
        app = pilot.app
        line, pixels = app.query_one(Line), app.query_one(Pixels)
        chart, part = app.query_one(LineChart), app.query_one(Vertical)
        pixels.ascii_only = True
        chart.head(Text("before"))
        await pilot.pause()
        part.display = False
        await pilot.pause()
        line.say(Text("a caption"))
        pixels.show([[255] * 4] * 4)
        chart.head(Text("after"))
        chart.show([Series("keras", [0, 1], [0.0, 1.0])], Axes())
        await pilot.pause()
        part.display = True
        await pilot.pause()
        rows = [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]
    assert rows[:4] == ["a caption", "@@@@", "@@@@", "after"]
    assert "1+" in rows[4]
