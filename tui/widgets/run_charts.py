"""The curves of several runs in one pair of charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from engines.api import TITLES, RunHistory
from tui import formatting
from tui.charts.braille import Series
from tui.charts.viewport import Viewport
from tui.themes import RUN_COLORS
from tui.widgets.curves import CURVES, DASHED, axes, training_curve, x_extent, x_values
from tui.widgets.line_chart import LineChart

MAX_RUNS = len(RUN_COLORS)


class RunCharts(Horizontal):
    """A chart of the loss and one of the accuracy, each with a legend of the runs."""

    DEFAULT_CSS = """
    RunCharts { height: 1fr; }
    RunCharts Vertical { border: round $foreground 30%; border-title-color: $foreground; padding: 0 1; }
    """

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._charts = {name: LineChart(ascii_only=ascii_only) for name in CURVES}

    @staticmethod
    def color(number: int, colors: Mapping[str, str]) -> str:
        """Return the colour of a run by its number, counted from 1."""
        return colors[f"$run-{(number - 1) % MAX_RUNS + 1}"]

    def compose(self) -> ComposeResult:
        for name, chart in self._charts.items():
            box = Vertical(chart)
            box.border_title = name
            yield box

    def show_runs(
        self, runs: Sequence[tuple[str, Mapping[str, RunHistory]]], view: Viewport, colors: Mapping[str, str]
    ) -> None:
        """Show the (name, histories) of each run; those beyond MAX_RUNS are left out."""
        drawn = [history for _, histories in runs[:MAX_RUNS] for history in histories.values()]
        extent = x_extent(drawn, view)
        for name in CURVES:
            series, entries = [], []
            for number, (title, histories) in enumerate(runs[:MAX_RUNS], 1):
                entries.append(Text(f"{number} {formatting.to_plain_text(title)}", style=self.color(number, colors)))
                for history in histories.values():
                    series += _curve(history, name, f"run-{number}", view, extent)
            if len(runs) == 1:
                titles = [TITLES.get(engine, engine) for engine in runs[0][1]]
                line_styles = ", ".join(f"{title} dashed" if title == "Keras" else title for title in titles)
                entries.append(Text(line_styles, style="dim"))
            chart = self._charts[name]
            chart.set_headings(*_legend_lines(entries, chart.size.width)[: max(chart.size.height // 4, 1)])
            chart.set_placeholder("this run has no curves" if runs else "no run is selected")
            chart.set_series(series, axes(drawn, series, name, view, extent))


def _legend_lines(entries: Sequence[Text], width: int) -> list[Text]:
    """Fill lines with the entries of a legend; an entry is never broken."""
    lines: list[Text] = []
    for entry in entries:
        if lines and lines[-1].cell_len + 2 + entry.cell_len <= width:
            lines[-1] = Text("  ").join([lines[-1], entry])
        else:
            lines.append(entry)
    return lines


def _curve(history: RunHistory, name: str, role: str, view: Viewport, x_range: tuple[float, float]) -> list[Series]:
    xs = x_values(history, history.train_loss.xs, view)
    if not len(xs):
        return []
    return [Series(role, xs, training_curve(history, name, xs, view, x_range), dashed=history.engine in DASHED)]
