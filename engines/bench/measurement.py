"""One measured figure with its spread."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure from several repeats, most often a ratio to a plain program; `meaning` names its unit."""

    name: str
    meaning: str
    ratios: tuple[float, ...]
    budget: str

    @property
    def median(self) -> float:
        """The median of the repeats."""
        return statistics.median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest repeat."""
        return min(self.ratios), max(self.ratios)


class BenchError(Exception):
    """Something could not be measured; the message says why."""
