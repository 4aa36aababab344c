"""Sections of code that scroll together: both columns, or one of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set as AbstractSet

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.geometry import Region
from textual.message import Message

from tui.reports.source_columns import Pair
from tui.widgets.source_view import MIN_ROWS, SourceView

Position = tuple[SourceView, int, int]
"""A section, a block of matching code in it, and the rows below the block's start."""


class SourceSections(VerticalScroll):
    """The scrolling sections of code."""

    class Moved(Message):
        """The mouse wheel or the scroll bar has scrolled the sections."""

    def __init__(
        self,
        pairs: Sequence[Pair],
        engines: Sequence[str],
        mark: str,
        titles: Sequence[str],
        *,
        name: str,
        dense: bool = False,
    ) -> None:
        """Show pairs of sections; see SourceView. Dense ones have no empty line between them."""
        super().__init__(id=name, classes="-dense" if dense else "", can_focus=False)
        self.pairs = list(pairs)
        self._engines = tuple(engines)
        self._mark = mark
        self._titles = tuple(titles)

    def compose(self) -> ComposeResult:
        yield from self._views()

    def _views(self) -> list[SourceView]:
        return [SourceView(pair, self._engines, self._mark, self._titles) for pair in self.pairs]

    def _post_moved(self) -> None:
        self.post_message(self.Moved())

    on_mouse_scroll_up = on_mouse_scroll_down = on_scroll_up = on_scroll_down = on_scroll_to = _post_moved

    def replace(self, pairs: Sequence[Pair], titles: Sequence[str]) -> None:
        """Show the sections of other code."""
        self.pairs, self._titles = list(pairs), tuple(titles)
        self.remove_children()
        self.mount_all(self._views())

    def update(self, pairs: Sequence[Pair]) -> None:
        """Show the same sections with other text from the next `fit` on."""
        self.pairs = list(pairs)
        for part, pair in zip(self.query(SourceView), self.pairs, strict=True):
            part.show(pair)

    @property
    def laid_out(self) -> list[SourceView]:
        """The sections that have their columns."""
        return [part for part in self.query(SourceView) if len(part.query(".code")) == len(self._engines)]

    def fit(self, width: int, shown: Collection[str]) -> bool:
        """Show these engines in `width` cells together. Return whether anything changed."""
        return any([part.fit(width, shown) for part in self.laid_out])

    def highlight_running(self, running: dict[str, set[str]]) -> None:
        """Mark what each engine runs now, by its titles."""
        for part in self.laid_out:
            part.highlight_running({engine for engine, titles in running.items() if part.pair.title in titles})

    # Where it is scrolled to

    @property
    def top_position(self) -> Position | None:
        """The section at the top, the block in it, and the row in that, by the last layout."""
        top = self.scroll_offset.y
        for part in self.query(SourceView):
            if part.virtual_region.y <= top < part.virtual_region.bottom:
                return part, *part.position_at(top - part.virtual_region.y)
        return None

    def restore_position(self, position: Position | None) -> None:
        """Scroll what was at the top back there."""
        if position is not None:
            part, block, rest = position
            self.scroll_to(y=part.virtual_region.y + part.row_at(block, rest), animate=False)

    def scroll_to_title(self, title: str) -> bool:
        """Scroll to the section with that title; return False while it is not laid out."""
        part = next((part for part in self.laid_out if part.pair.title == title), None)
        if part is None or part.virtual_region.height <= MIN_ROWS:
            return False
        self._scroll_to_part(part)
        return True

    def scroll_to_any(self, titles: AbstractSet[str]) -> None:
        """Scroll to the first section with one of the titles, unless one of them is in sight."""
        parts = [part for part in self.laid_out if part.pair.title in titles]
        top, height = self.scroll_offset.y, self.size.height
        if parts and not any(_in_sight(part.virtual_region, top, height) for part in parts):
            self._scroll_to_part(parts[0])

    def scroll_to_next(self, step: int) -> None:
        """Scroll to the start of the next section, or of a previous one."""
        top, parts = self.scroll_offset.y, self.laid_out
        if step > 0:
            ahead = [part for part in parts if part.virtual_region.y > top]
        else:
            ahead = [part for part in parts if part.virtual_region.y < top][::-1]
        if ahead:
            self._scroll_to_part(ahead[0])

    def _scroll_to_part(self, part: SourceView) -> None:
        self.scroll_to(y=part.virtual_region.y, animate=False)


def _in_sight(part: Region, top: int, height: int) -> bool:
    """Return whether a section starts in the upper half of the visible rows, or is visible from start to end."""
    return top <= part.y < top + height // 2 or (top <= part.y and part.bottom <= top + height)
