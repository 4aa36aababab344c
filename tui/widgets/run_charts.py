"""The curves of several runs in one pair of charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from engines.api import TITLES, RunHistory
from tui import formatting
from tui.charts.line_chart import Axes, Series
from tui.charts.view import View, smoothed
from tui.widgets.chart import LineChart
from tui.widgets.curves import CURVES, DASHED, along
from tui.widgets.line import Line

COLORS = ("$primary", "$warning", "$success", "$error", "$accent", "$secondary")
"""Of the runs in their order; the engines of a run are told apart by dashes."""
MOST = len(COLORS)


class RunChart(LineChart):
    """A chart whose curves have the colours of runs."""

    COMPONENT_CLASSES = LineChart.COMPONENT_CLASSES | {f"chart--run-{i}" for i in range(1, MOST + 1)}
    DEFAULT_CSS = (
        "RunChart {" + "".join(f"& > .chart--run-{i} {{ color: {c}; }}" for i, c in enumerate(COLORS, 1)) + "}"
    )


class RunCharts(Horizontal):
    """Loss and accuracy, and which line is whose."""

    DEFAULT_CSS = """
    RunCharts { height: 1fr; }
    RunCharts Vertical { border: round $foreground 30%; border-title-color: $foreground; padding: 0 1; }
    RunCharts Line { height: auto; max-height: 3; }
    """

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__()
        self._charts = {name: RunChart(ascii_only=ascii_only) for name in CURVES}
        self._legends = {name: Line() for name in CURVES}

    @staticmethod
    def color(number: int, colors: Mapping[str, str]) -> str:
        """Of the run with that number, counted from 1."""
        return colors[COLORS[(number - 1) % MOST]]

    def compose(self) -> ComposeResult:
        """Two boxes."""
        for name in CURVES:
            box = Vertical(self._legends[name], self._charts[name])
            box.border_title = name
            yield box

    def show_runs(
        self, runs: Sequence[tuple[str, Mapping[str, RunHistory]]], view: View, colors: Mapping[str, str]
    ) -> None:
        """(name, histories) of each run, at most MOST."""
        for name in CURVES:
            series, legend = [], Text(no_wrap=True, overflow="ellipsis")
            for number, (title, histories) in enumerate(runs[:MOST], 1):
                legend.append(f"{number} {formatting.plain(title)}  ", style=self.color(number, colors))
                for history in histories.values():
                    series += _curve(history, name, f"run-{number}", view)
            if len(runs) == 1:
                known = [TITLES.get(engine, engine) for engine in runs[0][1]]
                legend.append(", ".join(f"{one} dashed" if one == "Keras" else one for one in known), style="dim")
            self._legends[name].say(legend)
            chart = self._charts[name]
            chart.hold("no curve was kept" if runs else "no run is chosen")
            chart.show(series, Axes(percent=name == "accuracy", x_name="step"))


def _curve(history: RunHistory, name: str, role: str, view: View) -> list[Series]:
    train = history.train_loss if name == "loss" else history.train_accuracy
    if not len(train):
        return []
    line = smoothed(train.ys, view.smoothing)
    return [Series(role, along(history, train.xs, view), line, dashed=history.engine in DASHED)]
