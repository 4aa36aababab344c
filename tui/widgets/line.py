"""One line of text that knows what of it has changed."""

from __future__ import annotations

from typing import Self

from rich.text import Text
from textual.geometry import Region
from textual.widgets import Static

from tui.charts.cells import equal_start


class Line(Static):
    """One line of text that repaints only what it says anew: every cell costs bytes over SSH."""

    DEFAULT_CSS = "Line { height: 1; width: 1fr; text-wrap: nowrap; text-overflow: ellipsis; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  # Textual's name
        super().__init__("", id=id, classes=classes, markup=False)
        self._said = Text()
        self._changed: Region | None = None

    def say(self, text: Text) -> None:
        """Show the text."""
        if text.plain == self._said.plain and text.spans == self._said.spans:
            return
        start, end = changed_cells(self._said, text)
        whole = max(text.cell_len, self._said.cell_len) > self.content_size.width  # an ellipsis stands elsewhere
        self._changed = None if whole else Region(start, 0, max(end - start, 1), 1)
        self._said = text
        self.update(text, layout=False)
        self._changed = None

    def refresh(self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False) -> Self:
        """Repaint; after `say`, only what changed."""
        if self._changed is not None and not (regions or layout or recompose):
            regions = (self._changed,)
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


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
