"""The selection and the order of the listed runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from engines.api import FilterError, RunSummary, parse_filter

MAX_ROWS = 500
"""The most rows of the list; a filter finds the other runs."""
SORTS: dict[str, Callable[[RunSummary], Any]] = {
    "time": lambda run: (run.start_time, run.id),
    "accuracy": lambda run: run.best or -1.0,
    "seconds": lambda run: -(run.seconds if run.seconds is not None else 1e12),
    "name": lambda run: [-ord(letter) for letter in run.name.lower()] or [-0x110000],
}
"""Sort keys, all descending: the newest, best, fastest first; names from A on, runs without a name last."""


SORT_TITLES = {"time": ("when",), "accuracy": ("PyTorch", "Keras"), "seconds": ("time",), "name": ("name",)}
"""The columns of the table that each sort order is about; the accuracy is the better of both."""


class RunQuery:
    """A filter and a sort order, and the runs that they select."""

    def __init__(self) -> None:
        self.text = ""
        """The filter as the user typed it."""
        self.sort = "time"
        """A key of SORTS."""
        self.problem = ""
        """The error in the filter; empty when it is valid."""
        self.rows: list[RunSummary] = []
        """The first MAX_ROWS runs that match."""
        self.match_count = 0

    def apply(self, runs: Sequence[RunSummary]) -> None:
        """Select and sort the runs; an invalid filter leaves the rows as they are."""
        try:
            matches, self.problem = parse_filter(self.text), ""
        except FilterError as error:
            self.problem = str(error)
            return
        selected = sorted(filter(matches, runs), key=SORTS[self.sort], reverse=True)
        self.match_count, self.rows = len(selected), selected[:MAX_ROWS]

    @property
    def sort_marks(self) -> dict[str, str]:
        """The mark of each column that the runs are sorted by: its values fall, or rise, from row to row."""
        return dict.fromkeys(SORT_TITLES[self.sort], "↓" if self.sort in ("time", "accuracy") else "↑")

    def sort_by_column(self, title: str) -> None:
        """Sort by a column of the table, if there is such an order."""
        self.sort = next((sort for sort, titles in SORT_TITLES.items() if title in titles), self.sort)

    def sort_by_next(self) -> None:
        """Change to the next sort order."""
        names = list(SORTS)
        self.sort = names[(names.index(self.sort) + 1) % len(names)]
