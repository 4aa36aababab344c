"""The line chart as a widget: keeps the drawn rows and repaints only those that changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.charts.line_chart import Axes, Row, Series, draw


class LineChart(Widget):
    """Draws what `show` was last given.

    The roles of the runs that `draw` makes are looked up as component classes `chart--ROLE`.
    """

    COMPONENT_CLASSES = {
        "chart--axis",
        "chart--label",
        "chart--nan",
        "chart--pytorch",
        "chart--pytorch-test",
        "chart--keras",
        "chart--keras-test",
    }
    DEFAULT_CSS = """
    LineChart {
        height: 1fr;
        & > .chart--axis { color: $foreground 30%; }
        & > .chart--label { color: $foreground 60%; }
        & > .chart--nan { color: $error; text-style: bold; }
        & > .chart--pytorch { color: $pytorch; }
        & > .chart--pytorch-test { color: $foreground; text-style: bold; }
        & > .chart--keras { color: $keras; }
        & > .chart--keras-test { color: $foreground; text-style: bold; }
    }
    """

    def __init__(self, placeholder: str = "", *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  # Textual's name
        super().__init__(id=id, classes=classes)
        self.placeholder = placeholder
        self.ascii_only = False
        self._series: tuple[Series, ...] = ()
        self._axes = Axes()
        self._rows: list[Row] = []
        self._styles: dict[str, Style] = {}

    def show(self, series: Sequence[Series], axes: Axes) -> None:
        """Draw these curves; costs nothing on the terminal where nothing changed."""
        self._series, self._axes = tuple(series), axes
        self._redraw()

    def _redraw(self) -> None:
        width, height = self.size
        before, self._rows = self._rows, draw(self._series, self._axes, width, height, ascii_only=self.ascii_only)
        if not any(len(one.xs) for one in self._series):
            self._rows = _with_placeholder(self._rows, self.placeholder, width)
        if len(before) != len(self._rows):
            self.refresh()
            return
        changed = [y for y, row in enumerate(self._rows) if row != before[y]]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def on_resize(self) -> None:
        """A new size is a new drawing."""
        self._redraw()

    def notify_style_update(self) -> None:
        """A new theme has new colours."""
        super().notify_style_update()
        self._styles.clear()

    def render_line(self, y: int) -> Strip:
        """One row of cells."""
        width = self.size.width
        if y >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        return Strip([Segment(text, self._style(role)) for text, role in self._rows[y]], width)

    def _style(self, role: str) -> Style:
        if role not in self._styles:
            name = f"chart--{role}"
            known = name in self.COMPONENT_CLASSES
            self._styles[role] = self.get_component_rich_style(name) if known else self.rich_style
        return self._styles[role]


def _with_placeholder(rows: list[Row], text: str, width: int) -> list[Row]:
    """Write a text into the middle of an empty chart."""
    if not rows or len(text) + 8 > width:
        return rows
    middle = (len(rows) - 1) // 2
    head = [run for run in rows[middle] if run[1]]
    used = sum(len(run[0]) for run in head)
    free = width - used
    rows[middle] = [*head, (text.center(free)[:free].ljust(free), "label")]
    return rows
