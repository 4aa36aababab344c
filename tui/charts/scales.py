"""The scales of the y axis, and ranges that put evenly spaced ticks on rows of cells.

A position is a value as the axis sees it: the value itself, its logarithm, or for an accuracy the logarithm of its error.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from tui.charts.ticks import tick_labels

LINEAR, LOG, ERROR = "linear", "log", "error"
"""y, log10(y), or -log10(1 - y): on the error scale of an accuracy, half as many errors are always equally far up."""
MIN_ERROR = 1e-4
"""Smallest error on the error scale, where 100 % would be infinitely high: one of MNIST's 10,000 test digits."""
ERROR_TICKS = (0.0, 0.5, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999, 0.9995, 0.9999)
"""Ticks of the error scale."""
LAST_ROW = 0.25
"""Rows that a plot of n rows lacks from its lowest to its highest dot: a cell has four, so there are 4n - 1 from dot to dot."""
MAX_FLOAT_POWER = 308
"""Largest power of ten that is a float."""


class FittedAxis(NamedTuple):
    """The visible range in positions, and the (position, label) of each tick."""

    low: float
    high: float
    labels: Sequence[tuple[float, str]] = ()

    def row(self, position: float, height: int) -> int:
        """Return the row of a position in a plot of `height` rows; the topmost is 0."""
        line = int((self.high - position) / (self.high - self.low) * (4 * height - 1) + 0.5)
        return min(max(line // 4, 0), height - 1)


def positions(scale: str, values: Any) -> Any:
    """Return the positions of values, shape (n,); NaN where a logarithm has none."""
    import numpy as np

    y = np.asarray(values, np.float64)
    if scale == LINEAR:
        return y
    with np.errstate(all="ignore"):
        if scale == LOG:
            return np.where(y > 0, np.log10(np.where(y > 0, y, 1.0)), np.nan)
        return -np.log10(np.maximum(1.0 - y, MIN_ERROR))


def position(scale: str, value: float) -> float:
    """Return the position of one value; a value without a logarithm is very low."""
    if scale == LOG:
        return math.log10(value) if value > 0 else -9.0
    return -math.log10(max(1.0 - value, MIN_ERROR)) if scale == ERROR else value


def fit(scale: str, low: float, high: float, height: int, width: int, *, percent: bool = False) -> FittedAxis:
    """Widen a range of positions until its ticks are on rows of a plot of `height` rows, evenly spaced where they can be.

    Labels have at most `width` characters; there are none where no labels fit.
    """
    if height < 2:
        return FittedAxis(low, high)
    if scale == LOG:
        return _fit_log(low, high, height, width)
    if scale == ERROR:
        return _fit_errors(low, high, height, width)
    return _fit_linear(low, high, height, width, percent)


def _fit_linear(low: float, high: float, height: int, width: int, percent: bool) -> FittedAxis:
    """Give each row the same round share of a step of 1, 2 or 5 times a power of ten; a percentage ends at the top."""
    for step, rows in _steps((high - low) / (height - LAST_ROW), height):
        pitch = step / rows
        span = pitch * (height - LAST_ROW)
        if percent:
            top = math.ceil(high / pitch - 1e-6) * pitch
            bottom = top - span
        else:
            bottom = math.floor(low / pitch + 1e-6) * pitch
            top = bottom + span
        if bottom - low > 1e-6 * pitch or high - top > 1e-6 * pitch:
            continue
        first, last = math.ceil(bottom / step - 1e-6), math.floor(top / step + 1e-6)
        ticks = [i * step for i in range(first, last + 1) if not percent or -1.0 <= i * step <= 1.0]
        if percent and low >= 0:
            ticks = [tick for tick in ticks if tick >= 0]
        if len(ticks) > 1 and (labels := tick_labels(ticks, width, percent=percent)):
            return FittedAxis(bottom, top, list(zip(ticks, labels, strict=True)))
    return FittedAxis(low, high)


def _steps(pitch: float, height: int) -> Iterator[tuple[float, int]]:
    """Yield (step, rows from tick to tick) with at least `pitch` for each row, the closest to it first."""
    if not (math.isfinite(pitch) and pitch > 0):
        return
    fewest, most = 2 if height > 6 else 1, max(2, min(height // 2, max(5, height // 5)))
    exponent = math.floor(math.log10(pitch))
    candidates = []
    for rows in range(max(fewest, height // 12), most + 1):
        for power in range(exponent - 1, min(exponent + 4, MAX_FLOAT_POWER + 1)):
            for factor in (1, 2, 5):
                step = factor * 10.0**power
                if math.isfinite(step * height) and pitch * (1 - 1e-9) <= step / rows <= 12 * pitch:
                    candidates.append((step / rows, rows, step))
    yield from ((step, rows) for _, rows, step in sorted(candidates))


def _fit_log(low: float, high: float, height: int, width: int) -> FittedAxis:
    """Give each power of ten the same number of rows; the ticks are powers, with 2 and 5 where there is room."""
    if high > MAX_FLOAT_POWER or low < -MAX_FLOAT_POWER:
        return FittedAxis(low, high)
    if len(_one_two_five(low, high)) < 2:
        inner = _one_two_five(low - 1, high + 1)
        low = max((tick for tick in inner if tick <= low + 1e-9), default=low)
        high = min((tick for tick in inner if tick >= high - 1e-9 and tick > low), default=high)
    decades_per_row = (high - low) / (height - LAST_ROW)
    rows = math.floor(1 / decades_per_row)
    if rows:
        high = low + (height - LAST_ROW) / rows
        stride = 2 if rows == 1 else 1
    else:
        every = math.ceil(decades_per_row)
        low = float(math.floor(low))
        high, stride = low + every * (height - LAST_ROW), 2 * every
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    ticks: list[float] = [float(power) for power in range(first, last + 1, stride)]
    if rows >= 5 or len(ticks) < 2:
        ticks = _one_two_five(low, high)
    return _labelled(LOG, [10.0**tick for tick in ticks if tick <= MAX_FLOAT_POWER], low, high, height, width)


def _one_two_five(low: float, high: float) -> list[float]:
    """Return the logarithms of 1, 2 and 5 times powers of ten in [low, high]."""
    powers = range(math.floor(low), math.floor(high) + 1)
    ticks = [power + math.log10(factor) for power in powers for factor in (1, 2, 5)]
    return [tick for tick in ticks if low - 1e-9 <= tick <= high + 1e-9]


def _fit_errors(low: float, high: float, height: int, width: int) -> FittedAxis:
    """Start and end at ticks of the error scale."""
    ticks = [position(ERROR, tick) for tick in ERROR_TICKS]
    low = max((tick for tick in ticks[:-1] if tick <= low + 1e-9), default=ticks[0])
    high = min((tick for tick in ticks if tick >= high - 1e-9 and tick > low), default=ticks[-1])
    shown = [value for value, tick in zip(ERROR_TICKS, ticks, strict=True) if low - 1e-9 <= tick <= high + 1e-9]
    return _labelled(ERROR, shown, low, high, height, width)


def _labelled(scale: str, values: Sequence[float], low: float, high: float, height: int, width: int) -> FittedAxis:
    """Label these ticks, as many as have a row of their own."""
    axis = FittedAxis(low, high)
    by_row: dict[int, float] = {}
    for value in values:
        by_row.setdefault(axis.row(position(scale, value), height), value)
    shown = list(by_row.values())
    labels = tick_labels(shown, width, percent=scale == ERROR)
    return axis._replace(labels=[(position(scale, v), label) for v, label in zip(shown, labels, strict=False)])
