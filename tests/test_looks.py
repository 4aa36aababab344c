"""What the app looks like where there is little room, few colours, or no more than ASCII."""

from __future__ import annotations

import pytest

from engines.api import read_events
from tests.recording import shown
from tests.test_snapshots import text_of
from tui.replay import DEMO, MAX_SPEED, Replay
from tui.widgets import strips
from tui.widgets.chart import LineChart


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
