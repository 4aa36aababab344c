"""Both engines in one pair of charts."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from engines.api import TITLES, RunHistory
from tui import formatting
from tui.charts.line_chart import Axes, Series
from tui.charts.view import View
from tui.widgets.chart import LineChart
from tui.widgets.curves import DASHED, MARKERS, place, placeholder, reading
from tui.widgets.line import Line


class Overlay(Horizontal):
    """A chart of the loss and one of the accuracy, with a legend that tells the engines apart without colour too."""

    def compose(self) -> ComposeResult:
        """Two boxes."""
        for name in ("loss", "accuracy"):
            with Vertical(id=f"overlay-{name}", classes="overlay"):
                yield Line(id=f"overlay-{name}-legend")
                yield LineChart(id=f"overlay-{name}-chart")

    def show_figures(
        self, histories: Sequence[RunHistory], view: View, colors: dict[str, str], ascii_only: bool
    ) -> None:
        """Which line is whose, and its newest figures, or those at the cursor."""
        for name in ("loss", "accuracy"):
            box = self.query_one(f"#overlay-{name}", Vertical)
            if not box.display:
                continue
            title = f"{name} · {place(view)}" if place(view) else name
            if box.border_title != title:
                box.border_title = title
            legend = _legend(name, histories, view, colors, ascii_only, box.content_size.width)
            self.query_one(f"#overlay-{name}-legend", Line).say(legend)
            self.query_one(f"#overlay-{name}-chart", LineChart).hold(placeholder(histories))

    def show_curves(self, name: str, series: Sequence[Series], axes: Axes) -> None:
        """The curves of all engines."""
        chart = self.query_one(f"#overlay-{name}-chart", LineChart)
        if chart.size.height:
            chart.show(series, axes)


def _legend(
    name: str, histories: Sequence[RunHistory], view: View, colors: dict[str, str], ascii_only: bool, room: int
) -> Text:
    """Engine, its line, train, its marker, test; shorter where there is no room."""
    show = formatting.loss if name == "loss" else formatting.percent
    for words, names in ((True, True), (False, True), (False, False)):
        text = Text(no_wrap=True, overflow="ellipsis")
        for i, history in enumerate(histories):
            engine, (train, test) = history.engine, reading(history, name, view)
            line = ("- -" if ascii_only else "╍╍") if engine in DASHED else ("---" if ascii_only else "━━")
            marker = "o" if ascii_only else MARKERS.get(engine, "●")
            text.append("  " if i else "")
            text.append(f"{TITLES.get(engine, engine)} " if names else "")
            text.append(f"{line} ", style=f"bold {colors[f'${engine}']}")
            text.append(f"{'train ' if words else ''}{show(train)} {marker} {'test ' if words else ''}{show(test)}")
        if text.cell_len <= room:
            break
    return text
