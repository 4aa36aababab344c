"""The key bar: what is possible first, help and quit last, whatever the width."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pilot import key_bar_of, opened, phases, until
from tui.widgets.key_bar import KeyBar


@pytest.mark.parametrize("width", [40, 80, 120, 200])
async def test_possible_commands_come_first_and_quit_is_last(width: int, tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (width, 24), epochs=10_000) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await until(pilot, lambda: key_bar_of(app).startswith("s Start"))
        assert key_bar_of(app).split()[-4:] == ["?", "Help", "q", "Quit"]
        assert len(key_bar_of(app)) <= width
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        await until(pilot, lambda: key_bar_of(app).startswith("space Pause"))
        line = app.screen.query_one(KeyBar).line(width)
        dim = [span.start for span in line.spans if "dim" in str(span.style)]
        ends = line.plain.index("? Help")
        assert "x Stop" in line.plain[: min([*dim, ends])]
        assert key_bar_of(app).split()[-4:] == ["?", "Help", "q", "Quit"]
