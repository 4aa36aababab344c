"""The curves of the runs that were shown last."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from engines.api import RunHistory

CACHED_RUNS = 12
"""The number of runs whose curves stay in memory."""


class CurveCache:
    """The histories of some runs by the runs' ids; one run is read at a time."""

    def __init__(self) -> None:
        self.runs: dict[str, Mapping[str, RunHistory]] = {}
        self.reading = ""
        """The id of the run that is being read."""

    def missing(self, wanted: Sequence[str]) -> str:
        """Return the first wanted run that is not in memory; empty when all are."""
        return next((run for run in wanted if run not in self.runs), "")

    def add(self, run: str, histories: Mapping[str, RunHistory], marked: Collection[str]) -> None:
        """Add the run that was read, and remove the oldest in excess of CACHED_RUNS that are not marked."""
        self.reading = ""
        self.runs[run] = histories
        excess = max(len(self.runs) - CACHED_RUNS, 0)
        for old in [cached for cached in self.runs if cached not in marked][:excess]:
            del self.runs[old]

    def discard(self, runs: Collection[str]) -> bool:
        """Remove runs that have grown since they were read; return whether one of them is being read."""
        self.runs = {run: histories for run, histories in self.runs.items() if run not in runs}
        if self.reading not in runs:
            return False
        self.reading = ""
        return True
