"""A curve that never grows beyond its bounds and never loses a spike."""

from __future__ import annotations

import math
from array import array


class BoundedSeries:
    """Points in the order of x. At capacity, pairs of buckets merge into one that keeps its lowest and its highest y.

    Like Burn's FullHistoryPlot (crates/burn-train, full_history.rs), but keeping extremes where that drops every second point.
    """

    def __init__(self, capacity: int = 4096) -> None:
        self.xs = array("d")
        self.ys = array("d")
        self._capacity = max(capacity, 8)
        self._bucket = 1
        self._held: list[tuple[float, float]] = []

    def __len__(self) -> int:
        return len(self.xs)

    @property
    def last(self) -> tuple[float, float] | None:
        """The newest point, however it was thinned."""
        if self._held:
            return self._held[-1]
        return (self.xs[-1], self.ys[-1]) if self.xs else None

    def append(self, x: float, y: float) -> None:
        """Add a point; amortised O(1)."""
        if self._bucket == 1:
            self.xs.append(x)
            self.ys.append(y)
        else:
            self._held.append((x, y))
            if len(self._held) >= self._bucket:
                for point in _extremes(self._held):
                    self.xs.append(point[0])
                    self.ys.append(point[1])
                self._held.clear()
        if len(self.xs) >= self._capacity:
            self._merge()

    def _merge(self) -> None:
        points = list(zip(self.xs, self.ys, strict=True))
        kept = [point for first in range(0, len(points), 4) for point in _extremes(points[first : first + 4])]
        self.xs = array("d", (x for x, _ in kept))
        self.ys = array("d", (y for _, y in kept))
        self._bucket = 4 if self._bucket == 1 else 2 * self._bucket


def _extremes(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The lowest and the highest of the points, in their order; a NaN among them counts as an extreme."""
    keys = [-math.inf if math.isnan(y) else y for _, y in points]
    low, high = keys.index(min(keys)), keys.index(max(keys))
    return [points[i] for i in sorted({low, high})]
