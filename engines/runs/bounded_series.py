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
        self.means = array("d")
        """The mean y of the samples that each point stands for: curves that average these are not biased by the extremes."""
        self._capacity = max(capacity, 8)
        self._bucket_size = 1
        self._bucket: list[tuple[float, float, float]] = []

    def __len__(self) -> int:
        return len(self.xs)

    @property
    def last(self) -> tuple[float, float] | None:
        """The newest point, also when thinning has dropped it."""
        if self._bucket:
            return self._bucket[-1][:2]
        return (self.xs[-1], self.ys[-1]) if self.xs else None

    def append(self, x: float, y: float) -> None:
        """Append a point; amortised O(1)."""
        self._bucket.append((x, y, y))
        if len(self._bucket) >= self._bucket_size:
            self._extend(_extremes(self._bucket))
            self._bucket.clear()
        if len(self.xs) >= self._capacity:
            self._merge()

    def _extend(self, points: list[tuple[float, float, float]]) -> None:
        for x, y, mean in points:
            self.xs.append(x)
            self.ys.append(y)
            self.means.append(mean)

    def _merge(self) -> None:
        points = list(zip(self.xs, self.ys, self.means, strict=True))
        self.xs, self.ys, self.means = array("d"), array("d"), array("d")
        for first in range(0, len(points), 4):
            self._extend(_extremes(points[first : first + 4]))
        self._bucket_size = 4 if self._bucket_size == 1 else 2 * self._bucket_size


def _extremes(points: list[tuple[float, float, float]]) -> list[tuple[float, float, float]]:
    """Return the lowest and the highest of the points (x, y, mean), in their order, each with the mean of all.

    A NaN counts as an extreme.
    """
    mean = sum(mean for _, _, mean in points) / len(points)
    keys = [-math.inf if math.isnan(y) else y for _, y, _ in points]
    low, high = keys.index(min(keys)), keys.index(max(keys))
    return [(*points[i][:2], mean) for i in sorted({low, high})]
