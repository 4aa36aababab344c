"""The line chart as a widget: keeps the drawn rows and repaints only those that changed."""

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
from tui.widgets.text_line import changed_regions, equal_start, strip_of

_PLAIN = ""
"""The role of what has no look of its own."""


class LineChart(Widget):
    """Draws what `show` was last given, below its heading; says where the mouse points, and how its wheel turns.

    The roles of the runs that `draw` makes are those of `tui.themes`.
    """

    class Pointed(Message):
        """The mouse stands at this x; None when it has left."""

        def __init__(self, x: float | None) -> None:
            super().__init__()
            self.x = x

    class Wheeled(Message):
        """The wheel turned at this x: +1 is away from the user; `sideways` with shift."""

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
        self._looks: dict[str, Style] = {}

    @property
    def plot_size(self) -> tuple[int, int]:
        """(width, height) in cells of what is below the headings."""
        return self.size.width, max(self.size.height - len(self.headings), 0)

    def set_headings(self, *texts: Text) -> None:
        """Say this above the chart, a line each; where there is room for nothing else, it is all that is seen."""
        before, self.headings = self.headings, texts
        if len(before) != len(texts):
            self.refresh()
            self._redraw()
            return
        changed = changed_regions(before, texts, self.size)
        if changed:
            self.refresh(*changed)

    def set_series(self, series: Sequence[Series], axes: Axes) -> None:
        """Draw these curves; costs nothing on the terminal where nothing changed."""
        self._series, self._axes = tuple(series), axes
        self._redraw()

    def set_placeholder(self, placeholder: str) -> None:
        """Say this while there is no curve."""
        if placeholder != self.placeholder:
            self.placeholder = placeholder
            self._redraw()

    def _drawn(self) -> list[Row]:
        width, height = self.plot_size
        rows = draw(self._series, self._axes, width, height, ascii_only=self.ascii_only)
        return rows if any(len(one.xs) for one in self._series) else _with_placeholder(rows, self.placeholder, width)

    def _redraw(self) -> None:
        before, self._rows, top = self._rows, self._drawn(), len(self.headings)
        if len(before) != len(self._rows):
            self.refresh()
            return
        changed = [(y, *_changed_cells(before[y], row)) for y, row in enumerate(self._rows) if row != before[y]]
        if changed:
            self.refresh(*(Region(start, y + top, end - start, 1) for y, start, end in changed))

    def _x(self, event: events.MouseEvent) -> float | None:
        known = self._axes.x_range
        below = event.y >= len(self.headings)
        return x_of(event.x, self.plot_size, known) if below and known and self._series else None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """The cursor of all charts follows the mouse."""
        self.post_message(self.Pointed(self._x(event)))

    def on_leave(self) -> None:
        """And goes with it."""
        self.post_message(self.Pointed(None))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Closer."""
        self._wheel(event, 1)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Further away."""
        self._wheel(event, -1)

    def _wheel(self, event: events.MouseEvent, notches: int) -> None:
        event.stop()
        x = self._x(event)
        if x is not None:
            self.post_message(self.Wheeled(x, notches, event.shift))

    def on_resize(self) -> None:
        """A new size is a new drawing."""
        self._redraw()

    def notify_style_update(self) -> None:
        """A new theme has new colours."""
        super().notify_style_update()
        self._looks.clear()

    def render_line(self, y: int) -> Strip:
        """One row of cells."""
        if not self._looks:
            plain = self.rich_style
            known = themes.chart_styles(self.app.theme_variables).items()
            self._looks = {_PLAIN: plain, **{role: plain + look for role, look in known}}
        width, plain, row = self.size.width, self._looks[_PLAIN], y - len(self.headings)
        if row < 0:
            return strip_of(self.headings[y], width, self.app.console, plain)
        if row >= len(self._rows):  # they were drawn while the chart was hidden, and had no room
            self._rows = self._drawn()
        if row >= len(self._rows):
            return Strip.blank(width, plain)
        return Strip([Segment(text, self._looks.get(role, plain)) for text, role in self._rows[row]], width)


def _changed_cells(before: Row, after: Row) -> tuple[int, int]:
    """[start, end) of the cells that differ between two rows of equal width."""
    width = sum(len(text) for text, _ in after)
    start = _equal_cells(before, after)
    backwards = [[(text[::-1], role) for text, role in reversed(row)] for row in (before, after)]
    return start, max(width - _equal_cells(*backwards), start + 1)


def _equal_cells(before: Row, after: Row) -> int:
    """How many cells at the beginning are equal."""
    equal = 0
    for (old, old_role), (new, new_role) in zip(before, after, strict=False):
        if old_role != new_role:
            break
        same = equal_start(old, new)
        equal += same
        if same < max(len(old), len(new)):
            break
    return equal


def _with_placeholder(rows: list[Row], text: str, width: int) -> list[Row]:
    """Write a text into the middle of an empty chart."""
    while " · " in text and len(text) + 8 > width:
        text = text.rpartition(" · ")[0]
    if not rows or len(text) + 8 > width:
        return rows
    middle = (len(rows) - 1) // 2
    head = [run for run in rows[middle] if run[1]]
    used = sum(len(run[0]) for run in head)
    free = width - used
    rows[middle] = [*head, (text.center(free)[:free].ljust(free), "label")]
    return rows
