"""One line of text that knows what of it has changed."""

from __future__ import annotations

from rich.text import Text
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.charts.cells import equal_start


class Line(Widget):
    """One line of text that repaints only what it says anew: every cell costs bytes over SSH."""

    DEFAULT_CSS = "Line { height: 1; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  # Textual's name
        super().__init__(id=id, classes=classes)
        self._said = Text()

    def say(self, text: Text) -> None:
        """Show the text, cut off with an ellipsis where it is too long."""
        before, self._said = self._said, text
        if text.plain == before.plain and text.spans == before.spans and text.style == before.style:
            return
        if text.style != before.style or max(text.cell_len, before.cell_len) > self.size.width:
            self.refresh()  # another look all over, or an ellipsis that stands elsewhere
        else:
            start, end = changed_cells(before, text)
            self.refresh(Region(start, 0, max(end - start, 1), 1))

    def render(self) -> Text:
        """The text."""
        return self._said

    def render_line(self, y: int) -> Strip:
        """The row of cells; a Static takes three times as long to make one."""
        width, text = self.size.width, self._said
        if text.cell_len > width:
            text = text.copy()
            text.truncate(width, overflow="ellipsis")
        if text.style and not text.spans:  # Rich leaves out the style of a text that is nothing but style
            text = Text.assemble((text.plain, text.style))
        segments = () if y else text.render(self.app.console)
        return Strip(segments).adjust_cell_length(width).apply_style(self.rich_style)


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
