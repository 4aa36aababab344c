"""Lines of text that know what of them has changed."""

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
    """A line of text, or some below one another, that repaint only what they say anew: every cell costs bytes over SSH."""

    DEFAULT_CSS = "TextLine { height: 1; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  # Textual's name
        super().__init__(id=id, classes=classes)
        self._said: tuple[Text, ...] = ()

    def set_text(self, *texts: Text) -> None:
        """Show the texts, a line each, cut off with an ellipsis where it is too long."""
        before, self._said = self._said, texts
        changed = changed_regions(before, texts, self.size)
        if changed:
            self.refresh(*changed)

    def render(self) -> Text:
        """The texts."""
        return Text("\n").join(self._said)

    def render_line(self, y: int) -> Strip:
        """The row of cells; a Static takes three times as long to make one."""
        text = self._said[y] if y < len(self._said) else _NOTHING
        return strip_of(text, self.size.width, self.app.console, self.rich_style)


_NOTHING = Text()


def strip_of(text: Text, width: int, console: Console, style: Style) -> Strip:
    """The cells of a text in a row of this width."""
    if text.cell_len > width:
        text = text.copy()
        text.truncate(width, overflow="ellipsis")
    if text.style and not text.spans:  # Rich leaves out the style of a text that is nothing but style
        text = Text.assemble((text.plain, text.style))
    return Strip(text.render(console)).adjust_cell_length(width).apply_style(style)


def changed_regions(before: Sequence[Text], after: Sequence[Text], size: Size) -> list[Region]:
    """What is to be painted anew of these rows in a widget of that size."""
    # A hidden widget has no size, but Textual keeps its painted rows for when it is shown again: all that changed are stale.
    both = islice(zip_longest(before, after, fillvalue=_NOTHING), size.height or None)
    return [region for y, (old, new) in enumerate(both) if (region := _changed_region(old, new, size.width, y))]


def _changed_region(before: Text, after: Text, width: int, y: int) -> Region | None:
    if after.plain == before.plain and after.spans == before.spans and after.style == before.style:
        return None
    if after.style != before.style or max(after.cell_len, before.cell_len) > width:
        return Region(0, y, max(width, 1), 1)  # another look all over, or an ellipsis that stands elsewhere
    start, end = changed_cells(before, after)
    return Region(start, y, max(end - start, 1), 1)


def changed_cells(before: Text, after: Text) -> tuple[int, int]:
    """[start, end) of the cells that differ; everything where a character is wider than a cell."""
    old, new = before.plain, after.plain
    length = max(before.cell_len, after.cell_len)
    if before.cell_len != len(old) or after.cell_len != len(new):
        return 0, length
    other = set(before.spans) ^ set(after.spans)
    start = min([equal_start(old, new), *(span.start for span in other)])
    if len(old) != len(new):
        return start, length
    same_end = equal_start(old[::-1], new[::-1])
    return start, max([len(new) - same_end, *(span.end for span in other)])


def equal_start(before: str, after: str) -> int:
    """How many characters at the beginning are equal."""
    for i, (old, new) in enumerate(zip(before, after, strict=False)):
        if old != new:
            return i
    return min(len(before), len(after))
