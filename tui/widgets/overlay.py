"""The curves of both engines in one pair of charts."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from engines.api import TITLES, RunHistory
from tui import formatting
from tui.charts.braille import Axes, Series
from tui.charts.viewport import Viewport
from tui.widgets.curves import CURVES, DASHED, MARKERS, cursor_label, placeholder, values_at_cursor
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

    def show_figures(self, histories: Sequence[RunHistory], view: Viewport, colors: dict[str, str]) -> None:
        """Show the legends with the newest figures, or with those at the cursor."""
        for name, box in self._boxes.items():
            if not box.display:
                continue
            title = f"{name} · {cursor_label(view)}" if cursor_label(view) else name
            if box.border_title != title:
                box.border_title = title
            legend = _legend(name, histories, view, colors, self.ascii_only, box.content_size.width)
            self._charts[name].set_headings(legend)
            self._charts[name].set_placeholder(placeholder(histories))

    def show_curves(self, name: str, series: Sequence[Series], axes: Axes) -> None:
        """Show the curves of all engines in the chart of "loss" or "accuracy"."""
        chart = self._charts[name]
        if chart.plot_size[1]:
            chart.set_series(series, axes)


def _legend(
    name: str, histories: Sequence[RunHistory], view: Viewport, colors: dict[str, str], ascii_only: bool, width: int
) -> Text:
    """Render for each engine its name, line, train figure, marker and test figure, in the longest form that fits."""
    full = formatting.loss if name == "loss" else formatting.percent
    for with_words, with_names, form in (
        (True, True, full),
        (False, True, full),
        (False, False, full),
        (False, False, _short_form(name)),
    ):
        text = Text(no_wrap=True, overflow="ellipsis")
        for i, history in enumerate(histories):
            engine, (train, test) = history.engine, values_at_cursor(history, name, view)
            line = ("- -" if ascii_only else "╍╍") if engine in DASHED else ("---" if ascii_only else "━━")
            marker = "o" if ascii_only else MARKERS.get(engine, "●")
            text.append("  " if i else "")
            text.append(f"{TITLES.get(engine, engine)} " if with_names else "")
            text.append(f"{line} ", style=f"bold {colors[f'${engine}']}")
            train_word, test_word = ("train ", "test ") if with_words else ("", "")
            text.append(f"{train_word}{form(train)} {marker} {test_word}{form(test)}")
        if text.cell_len <= width:
            break
    return text


def _short_form(name: str) -> Callable[[float | None], str]:
    """Return a format with three digits of a loss, or with a percentage without its sign, which the axis has."""
    return lambda value: "–" if value is None else f"{value:.3f}" if name == "loss" else f"{100 * value:.2f}"
