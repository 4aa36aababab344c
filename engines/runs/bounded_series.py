"""A series of points that never grows beyond its capacity and never loses a spike."""

from __future__ import annotations

import math
from array import array


class BoundedSeries:
    """Points in the order of x. At capacity, pairs of buckets merge into one that keeps its lowest and its highest y.

    Like Burn's FullHistoryPlot (crates/burn-train, full_history.rs), but keeps extremes where that drops every second point.
    """

    def __init__(self, capacity: int = 4096) -> None:
        self.xs = array("d")
        self.ys = array("d")
        self._capacity = max(capacity, 8)
        self._bucket_size = 1
        self._bucket: list[tuple[float, float]] = []

    def __len__(self) -> int:
        return len(self.xs)

    @property
    def last(self) -> tuple[float, float] | None:
        """The newest point, also when thinning has dropped it."""
        if self._bucket:
            return self._bucket[-1]
        return (self.xs[-1], self.ys[-1]) if self.xs else None

    def append(self, x: float, y: float) -> None:
        """Append a point; amortised O(1)."""
        if self._bucket_size == 1:
            self.xs.append(x)
            self.ys.append(y)
        else:
            self._bucket.append((x, y))
            if len(self._bucket) >= self._bucket_size:
                for point in _extremes(self._bucket):
                    self.xs.append(point[0])
                    self.ys.append(point[1])
                self._bucket.clear()
        if len(self.xs) >= self._capacity:
            self._merge()

    def _merge(self) -> None:
        points = list(zip(self.xs, self.ys, strict=True))
        merged = [point for first in range(0, len(points), 4) for point in _extremes(points[first : first + 4])]
        self.xs = array("d", (x for x, _ in merged))
        self.ys = array("d", (y for _, y in merged))
        self._bucket_size = 4 if self._bucket_size == 1 else 2 * self._bucket_size


def _extremes(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the lowest and the highest of the points, in their order; a NaN among them counts as an extreme."""
    keys = [-math.inf if math.isnan(y) else y for _, y in points]
    low, high = keys.index(min(keys)), keys.index(max(keys))
    return [points[i] for i in sorted({low, high})]
