"""Lines of text that repaint only the cells that changed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, zip_longest

from rich.console import Console
from rich.style import Style
from rich.text import Text
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget


class TextLine(Widget):
    """One or more lines of text. Only changed cells are repainted, because every cell costs bytes over SSH."""

    DEFAULT_CSS = "TextLine { height: 1; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  # Textual's name
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Text, ...] = ()

    def set_text(self, *lines: Text) -> None:
        """Show these lines; a line that is too long ends with an ellipsis."""
        before, self._lines = self._lines, lines
        changed = changed_regions(before, lines, self.size)
        if changed:
            self.refresh(*changed)

    def render(self) -> Text:
        return Text("\n").join(self._lines)

    def render_line(self, y: int) -> Strip:
        """Render one row: a third of the time that a Static needs."""
        text = self._lines[y] if y < len(self._lines) else _EMPTY
        return render_strip(text, self.size.width, self.app.console, self.rich_style)


_EMPTY = Text()


def render_strip(text: Text, width: int, console: Console, style: Style) -> Strip:
    """Render a text as a row of exactly `width` cells."""
    if text.cell_len > width:
        text = text.copy()
        text.truncate(width, overflow="ellipsis")
    if text.style and not text.spans:  # Rich ignores the style of a text without spans
        text = Text.assemble((text.plain, text.style))
    return Strip(text.render(console)).adjust_cell_length(width).apply_style(style)


def changed_regions(before: Sequence[Text], after: Sequence[Text], size: Size) -> list[Region]:
    """Return the regions to repaint when these lines replace the old ones in a widget of this size."""
    # A hidden widget has no size, but Textual keeps its painted rows until it is shown again: every changed line counts.
    both = islice(zip_longest(before, after, fillvalue=_EMPTY), size.height or None)
    return [region for y, (old, new) in enumerate(both) if (region := _changed_region(old, new, size.width, y))]


def _changed_region(before: Text, after: Text, width: int, y: int) -> Region | None:
    if after.plain == before.plain and after.spans == before.spans and after.style == before.style:
        return None
    if after.style != before.style or max(after.cell_len, before.cell_len) > width:
        return Region(0, y, max(width, 1), 1)  # a new style covers the whole line, and an ellipsis may move
    start, end = changed_cells(before, after)
    return Region(start, y, max(end - start, 1), 1)


def changed_cells(before: Text, after: Text) -> tuple[int, int]:
    """Return [start, end) of the cells that differ; all of them where a character is wider than a cell."""
    old, new = before.plain, after.plain
    length = max(before.cell_len, after.cell_len)
    if before.cell_len != len(old) or after.cell_len != len(new):
        return 0, length
    changed_spans = set(before.spans) ^ set(after.spans)
    start = min([common_prefix_length(old, new), *(span.start for span in changed_spans)])
    if len(old) != len(new):
        return start, length
    common_end = common_prefix_length(old[::-1], new[::-1])
    return start, max([len(new) - common_end, *(span.end for span in changed_spans)])


def common_prefix_length(before: str, after: str) -> int:
    """Count the characters at the start that are equal in both texts."""
    for i, (old, new) in enumerate(zip(before, after, strict=False)):
        if old != new:
            return i
    return min(len(before), len(after))
