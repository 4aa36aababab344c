"""The digit that is selected in the lists of mistakes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence

from tui.widgets.mistake_gallery import Mistake


class MistakePosition:
    """The selected list and digit; the digit stays selected when an evaluation changes the lists."""

    def __init__(self) -> None:
        self.list_name = "both"
        self.number = 0
        """The position in the list, from 0."""
        self._index: int | None = None
        """The index of the test digit; None when `number` decides."""

    def locate(self, lists: Mapping[str, Sequence[Mistake]]) -> str:
        """Find the selected digit in new lists; return the name of the list that is shown."""
        # The selected list is missing until the other engine is evaluated, too.
        name = self.list_name if self.list_name in lists else next(iter(lists), "both")
        indexes = [mistake.index for mistake in lists.get(name, ())]
        if self._index is not None:
            self.number = bisect_left(indexes, self._index)
        self.number = min(self.number, max(len(indexes) - 1, 0))
        self._index = indexes[self.number] if indexes else None
        return name

    def select(self, number: int) -> None:
        """Select a digit by its position in the list."""
        self.number, self._index = max(number, 0), None

    def select_list(self, name: str) -> None:
        """Select the first digit of a list."""
        self.list_name = name
        self.select(0)

    def select_next_list(self, lists: Mapping[str, Sequence[Mistake]]) -> None:
        """Select the first digit of the list after the selected one."""
        names = list(lists) or ["both"]
        index = names.index(self.list_name) if self.list_name in names else -1
        self.select_list(names[(index + 1) % len(names)])
