"""The curves of both engines in one pair of charts, or the difference between them."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from engines.api import RunHistory
from tui.charts.braille import Axes, Series
from tui.charts.viewport import Viewport
from tui.widgets.chart_heading import difference_heading, difference_title, legend, switches
from tui.widgets.curves import CURVES, cursor_label, placeholder
from tui.widgets.line_chart import LineChart


class Overlay(Horizontal):
    """A chart of the loss and one of the accuracy, with a legend that tells the engines apart without colour too."""

    DEFAULT_CSS = """
    Overlay {
        display: none;
        height: 1fr;
        & > Vertical {
            width: 1fr;
            height: 100%;
            border: round $foreground 30%;
            border-title-style: bold;
            border-title-color: $foreground;
            padding: 0 1;
        }
    }
    """

    def __init__(self, *, ascii_only: bool = False) -> None:
        super().__init__(id="overlay")
        self.ascii_only = ascii_only
        self._charts = {name: LineChart(id=f"overlay-{name}-chart", ascii_only=ascii_only) for name in CURVES}
        self._boxes = {name: Vertical(chart, id=f"overlay-{name}") for name, chart in self._charts.items()}

    def compose(self) -> ComposeResult:
        yield from self._boxes.values()

    def show_figures(
        self, histories: Sequence[RunHistory], view: Viewport, colors: dict[str, str], *, subtract: bool = False
    ) -> None:
        """Show the legends, or the differences, with the newest figures or with those at the cursor."""
        for name, box in self._boxes.items():
            if not box.display:
                continue
            shown = (
                view._replace(scale="auto") if subtract else view
            )  # a difference may be negative: its axis is linear
            states = "".join(part.forms[0] for part in switches(name, shown))
            title = f"{name}{difference_title(histories) if subtract else ''}{states}"
            title += f" · {cursor_label(view)}" if cursor_label(view) else ""
            if box.border_title != title:
                box.border_title = title
            width = box.content_size.width
            chart = self._charts[name]
            if subtract:
                chart.set_headings(difference_heading(name, histories, view, width))
            else:
                chart.set_headings(legend(name, histories, view, colors, self.ascii_only, width))
            chart.set_placeholder(placeholder(histories))

    def show_curves(self, name: str, series: Sequence[Series], axes: Axes) -> None:
        """Show these curves in the chart of "loss" or "accuracy"."""
        chart = self._charts[name]
        if chart.plot_size[1]:
            chart.set_series(series, axes)
