"""The chart widget: what it paints when its size changes."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult

from tui import themes
from tui.charts.braille import Axes, Series
from tui.widgets.line_chart import LineChart


class ChartApp(App[None]):
    def get_theme_variable_defaults(self) -> dict[str, str]:
        return themes.ENGINE_COLORS_DARK

    def compose(self) -> ComposeResult:
        yield LineChart()


async def test_a_higher_chart_is_painted_whole_before_it_hears_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Textual may paint before it sends the resize event: the upper rows were those of the lower chart."""
    monkeypatch.setattr(LineChart, "on_resize", lambda _: None)
    app = ChartApp()
    async with app.run_test(size=(60, 8)) as pilot:
        chart = app.query_one(LineChart)
        chart.styles.height = "100%"
        await pilot.pause()
        chart.set_series([Series("keras", [0.0, 1.0, 2.0], [1.0, 0.5, 0.2])], Axes())
        await pilot.pause()
        for height in (20, 8, 14):
            await pilot.resize_terminal(60, height)
            await pilot.pause()
            text = [chart.render_line(y).text for y in range(chart.size.height)]
            assert sum("└" in line for line in text) == 1, "\n".join(text)
            assert "└" in text[-1]
