"""The line chart as a widget: keeps the drawn rows and repaints only those that changed."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from tui.charts.cells import equal_start
from tui.charts.line_chart import Axes, Row, Series, draw, x_of


class LineChart(Widget):
    """Draws what `show` was last given; says where the mouse points, and how its wheel turns.

    The roles of the runs that `draw` makes are looked up as component classes `chart--ROLE`.
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

    COMPONENT_CLASSES = {
        "chart--axis",
        "chart--label",
        "chart--nan",
        "chart--cursor",
        "chart--pytorch",
        "chart--pytorch-raw",
        "chart--pytorch-test",
        "chart--keras",
        "chart--keras-raw",
        "chart--keras-test",
    }
    DEFAULT_CSS = """
    LineChart {
        height: 1fr;
        & > .chart--axis { color: $foreground 30%; }
        & > .chart--label { color: $foreground 60%; }
        & > .chart--nan { color: $error; text-style: bold; }
        & > .chart--cursor { color: $foreground 70%; }
        & > .chart--pytorch { color: $pytorch; }
        & > .chart--pytorch-raw { color: $pytorch-raw; }
        & > .chart--pytorch-test { color: $foreground; text-style: bold; }
        & > .chart--keras { color: $keras; }
        & > .chart--keras-raw { color: $keras-raw; }
        & > .chart--keras-test { color: $foreground; text-style: bold; }
    }
    """

    def __init__(
        self,
        *,
        id: str | None = None,  # noqa: A002  # Textual's name
        classes: str | None = None,
        ascii_only: bool = False,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.placeholder = ""
        self.ascii_only = ascii_only
        self._series: tuple[Series, ...] = ()
        self._axes = Axes()
        self._rows: list[Row] = []
        self._styles: dict[str, Style] = {}

    def show(self, series: Sequence[Series], axes: Axes) -> None:
        """Draw these curves; costs nothing on the terminal where nothing changed."""
        self._series, self._axes = tuple(series), axes
        self._redraw()

    def hold(self, placeholder: str) -> None:
        """Say this while there is no curve."""
        if placeholder != self.placeholder:
            self.placeholder = placeholder
            self._redraw()

    def _redraw(self) -> None:
        width, height = self.size
        before, self._rows = self._rows, draw(self._series, self._axes, width, height, ascii_only=self.ascii_only)
        if not any(len(one.xs) for one in self._series):
            self._rows = _with_placeholder(self._rows, self.placeholder, width)
        if len(before) != len(self._rows):
            self.refresh()
            return
        changed = [(y, *_changed_cells(before[y], row)) for y, row in enumerate(self._rows) if row != before[y]]
        if changed:
            self.refresh(*(Region(start, y, end - start, 1) for y, start, end in changed))

    def _x(self, column: int) -> float | None:
        known = self._axes.x_range
        return x_of(column, self.size, known) if known and self._series else None

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """The cursor of all charts follows the mouse."""
        self.post_message(self.Pointed(self._x(event.x)))

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
        x = self._x(event.x)
        if x is not None:
            self.post_message(self.Wheeled(x, notches, event.shift))

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
