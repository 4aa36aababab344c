"""What a bench measured: a figure with its spread."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure, repeated: most often a ratio of ours to something plain, as `meaning` says."""

    name: str
    meaning: str
    ratios: tuple[float, ...]
    budget: str

    @property
    def median(self) -> float:
        """Of the repeats."""
        return statistics.median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """Lowest and highest repeat."""
        return min(self.ratios), max(self.ratios)


class BenchError(Exception):
    """Something could not be measured; the message says why."""
