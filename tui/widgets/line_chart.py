"""The line chart as a widget, which repaints only the cells that changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui import themes
from tui.charts.braille import Axes, Row, Series, draw, x_of
from tui.widgets.text_line import changed_regions, common_prefix_length, render_strip

_PLAIN = ""
"""Role of text without a style of its own."""


class LineChart(Widget):
    """Curves below headings. Posts messages when the mouse moves over the plot or its wheel turns.

    `tui.themes` has a style for each role that `draw` uses.
    """

    class PointerMoved(Message):
        """Posted when the mouse moves; `x` is None when it left the plot."""

        def __init__(self, x: float | None) -> None:
            super().__init__()
            self.x = x

    class WheelTurned(Message):
        """Posted when the wheel turns at `x`: +1 is away from the user, `sideways` is with shift."""

        def __init__(self, x: float, notches: int, sideways: bool) -> None:
            super().__init__()
            self.x = x
            self.notches = notches
            self.sideways = sideways

    DEFAULT_CSS = "LineChart { height: 1fr; min-height: 1; }"

    def __init__(
        self,
        *,
        id: str | None = None,  # noqa: A002  # Textual's name
        classes: str | None = None,
        ascii_only: bool = False,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.placeholder = ""
        self.headings: tuple[Text, ...] = ()
        self.ascii_only = ascii_only
        self._series: tuple[Series, ...] = ()
        self._axes = Axes()
        self._rows: list[Row] = []
        self._drawn_size = (0, 0)
        """The `plot_size` that `_rows` were drawn for."""
        self._styles: dict[str, Style] = {}

    @property
    def plot_size(self) -> tuple[int, int]:
        """(width, height) in cells of the chart below the headings."""
        return self.size.width, max(self.size.height - len(self.headings), 0)

    def set_headings(self, *texts: Text) -> None:
        """Show these lines above the chart; they keep their place where there is no room for the chart."""
        before, self.headings = self.headings, texts
        if len(before) != len(texts):
            self.refresh()
            self._redraw()
            return
        changed = changed_regions(before, texts, self.size)
        if changed:
            self.refresh(*changed)

    def set_series(self, series: Sequence[Series], axes: Axes) -> None:
        """Draw these curves; unchanged cells are not sent to the terminal."""
        self._series, self._axes = tuple(series), axes
        self._redraw()

    def set_placeholder(self, placeholder: str) -> None:
        """Set the text that is shown while there is no curve."""
        if placeholder != self.placeholder:
            self.placeholder = placeholder
            self._redraw()

    def _draw_rows(self) -> list[Row]:
        width, height = self._drawn_size = self.plot_size
        rows = draw(self._series, self._axes, width, height, ascii_only=self.ascii_only)
        has_curve = any(len(series.xs) for series in self._series)
        return rows if has_curve else _with_placeholder(rows, self.placeholder, width)

    def _redraw(self) -> None:
        before, self._rows, top = self._rows, self._draw_rows(), len(self.headings)
        if len(before) != len(self._rows):
            self.refresh()
            return
        changed = [(y, *_changed_cells(before[y], row)) for y, row in enumerate(self._rows) if row != before[y]]
        if changed:
            self.refresh(*(Region(start, y + top, end - start, 1) for y, start, end in changed))

    def _x_at(self, event: events.MouseEvent) -> float | None:
        x_range = self._axes.x_range
        in_plot = event.y >= len(self.headings)
        return x_of(event.x, self.plot_size, x_range) if in_plot and x_range and self._series else None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        self.post_message(self.PointerMoved(self._x_at(event)))

    def on_leave(self) -> None:
        self.post_message(self.PointerMoved(None))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        self._on_wheel(event, 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        self._on_wheel(event, -1)

    def _on_wheel(self, event: events.MouseEvent, notches: int) -> None:
        event.stop()
        x = self._x_at(event)
        if x is not None:
            self.post_message(self.WheelTurned(x, notches, event.shift))

    def on_resize(self) -> None:
        """Draw the chart in its new size."""
        self._redraw()

    def notify_style_update(self) -> None:
        """Drop the colours of the old theme."""
        super().notify_style_update()
        self._styles.clear()

    def render_line(self, y: int) -> Strip:
        if not self._styles:
            plain = self.rich_style
            by_role = themes.chart_styles(self.app.theme_variables).items()
            self._styles = {_PLAIN: plain, **{role: plain + style for role, style in by_role}}
        width, plain, row = self.size.width, self._styles[_PLAIN], y - len(self.headings)
        if row < 0:
            return render_strip(self.headings[y], width, self.app.console, plain)
        if self._drawn_size != self.plot_size:  # Textual may paint before it reports the new size
            self._rows = self._draw_rows()
        if row >= len(self._rows):
            return Strip.blank(width, plain)
        return Strip([Segment(text, self._styles.get(role, plain)) for text, role in self._rows[row]], width)


def _changed_cells(before: Row, after: Row) -> tuple[int, int]:
    """Return [start, end) of the cells that differ between two rows of equal width."""
    width = sum(len(text) for text, _ in after)
    start = _common_cells(before, after)
    backwards = [[(text[::-1], role) for text, role in reversed(row)] for row in (before, after)]
    return start, max(width - _common_cells(*backwards), start + 1)


def _common_cells(before: Row, after: Row) -> int:
    """Count the cells at the start that are equal in both rows."""
    count = 0
    for (old, old_role), (new, new_role) in zip(before, after, strict=False):
        if old_role != new_role:
            break
        common = common_prefix_length(old, new)
        count += common
        if common < max(len(old), len(new)):
            break
    return count


def _with_placeholder(rows: list[Row], text: str, width: int) -> list[Row]:
    """Write a text into the middle of an empty chart, shortened at its dots until it fits."""
    while " · " in text and len(text) + 8 > width:
        text = text.rpartition(" · ")[0]
    if not rows or len(text) + 8 > width:
        return rows
    middle = (len(rows) - 1) // 2
    axis = [run for run in rows[middle] if run[1]]
    free = width - sum(len(run[0]) for run in axis)
    rows[middle] = [*axis, (text.center(free)[:free].ljust(free), "label")]
    return rows
