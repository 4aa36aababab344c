"""The view that all charts of a screen share: the meaning of x, the visible range, the smoothing and the cursor.

A viewport is immutable: every change returns a new one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

X_AXES = ("step", "epoch", "time")
"""Meanings of x: steps, epochs, or seconds since the run was requested."""
SCALES = ("auto", "log", "linear")
"""Scales of all y axes: auto is linear, but an error scale for the accuracy once it is late; log is an error scale, too."""
SMOOTHING = (0.0, 0.02, 0.05, 0.1)
"""Widths of the moving average, as fractions of what is shown."""
ZOOM = 1.5
"""Zoom factor of one key press or one notch of the wheel."""
MIN_SPAN_FRACTION = 1e-3
"""Smallest visible span, as a fraction of the extent."""


class Viewport(NamedTuple):
    """The view of all charts."""

    x_axis: str = X_AXES[0]
    scale: str = SCALES[0]
    smoothing: float = SMOOTHING[2]
    span: float | None = None
    """The width of the visible x range, in units of x; None shows everything."""
    right: float | None = None
    """The end of the visible x range; None follows the newest sample."""
    cursor: float | None = None
    """The x at which values are read; None is the newest sample."""

    def window(self, extent: tuple[float, float]) -> tuple[float, float]:
        """Return the visible x range of data that covers `extent`."""
        length = extent[1] - extent[0]
        if self.span is None or self.span >= length or self.span < length * MIN_SPAN_FRACTION / ZOOM:
            return extent  # a span set in the first steps is too small for the rest of the run
        right = extent[1] if self.right is None else min(max(self.right, extent[0] + self.span), extent[1])
        return right - self.span, right

    def zoomed(self, factor: float, extent: tuple[float, float], center: float | None = None) -> Viewport:
        """Zoom in by `factor` around `center`, or the cursor, or the newest sample, which stays in place on the screen."""
        length = extent[1] - extent[0]
        left, right = self.window(extent)
        span = max((right - left) / factor, length * MIN_SPAN_FRACTION)
        if length <= 0 or span >= length:
            return self._replace(span=None, right=None)
        fixed = center if center is not None else self.cursor
        if fixed is None or fixed >= right:
            return self._replace(span=span, right=self.right)
        fraction_right = (right - min(max(fixed, left), right)) / (right - left)
        return self._ending_at(fixed + fraction_right * span, span, extent)

    def panned(self, fraction: float, extent: tuple[float, float]) -> Viewport:
        """Move by a fraction of the visible range; at the end it follows the newest sample again."""
        left, right = self.window(extent)
        if self.span is None:
            return self
        return self._ending_at(right + fraction * (right - left), right - left, extent)

    def _ending_at(self, right: float, span: float, extent: tuple[float, float]) -> Viewport:
        right = max(right, extent[0] + span)
        return self._replace(span=span, right=None if right >= extent[1] - 0.01 * span else right)

    def cursor_moved(self, columns: float, plot_columns: int, extent: tuple[float, float]) -> Viewport:
        """Move the cursor by columns of a plot that has `plot_columns`; a new cursor starts at the newest sample."""
        left, right = self.window(extent)
        x = right if self.cursor is None else self.cursor + columns * (right - left) / max(plot_columns - 1, 1)
        moved = self._replace(cursor=min(max(x, extent[0]), extent[1]))
        if self.span is not None and moved.cursor is not None and not left <= moved.cursor <= right:
            moved = moved.panned(math.copysign(0.25, columns), extent)
        return moved

    def with_next_axis(self) -> Viewport:
        """Change the meaning of x, and drop zoom and cursor, which are in the old unit."""
        following = X_AXES[(X_AXES.index(self.x_axis) + 1) % len(X_AXES)]
        return self._replace(x_axis=following, span=None, right=None, cursor=None)

    def with_next_smoothing(self) -> Viewport:
        """Smooth more, or not at all after the strongest smoothing."""
        index = SMOOTHING.index(self.smoothing) if self.smoothing in SMOOTHING else 0
        return self._replace(smoothing=SMOOTHING[(index + 1) % len(SMOOTHING)])

    def with_next_scale(self) -> Viewport:
        """Change the scale of the y axes."""
        return self._replace(scale=SCALES[(SCALES.index(self.scale) + 1) % len(SCALES)])

    def reset(self) -> Viewport:
        """Show everything, without a cursor."""
        return self._replace(span=None, right=None, cursor=None)


def smoothed(ys: Sequence[float], window: int) -> Any:
    """Return the centred moving average over `window` samples, shape (n,); over fewer of them at the start and at the end.

    A NaN stays a NaN and has no weight in its neighbours. At the start, where a curve is steepest, no sample is averaged with
    those that are further away than half of its distance from the start.
    """
    import numpy as np

    y = np.array(ys, np.float64)
    half = min(window // 2, len(y) // 4)
    if half < 1:
        return y
    finite = np.isfinite(y)
    head = np.arange(2 * half)
    reach = head // 2

    def window_sums(samples: Any) -> Any:
        sums = np.convolve(samples, np.ones(2 * half + 1))[
            half : half + len(y)
        ]  # no running sum: one huge value stays local
        running = np.concatenate([[0.0], np.cumsum(samples[: 3 * half])])
        sums[: 2 * half] = running[head + reach + 1] - running[head - reach]
        return sums

    weights = window_sums(finite.astype(np.float64))
    return np.where(finite, window_sums(np.where(finite, y, 0.0)) / np.maximum(weights, 1.0), y)


def value_at(xs: Sequence[float], ys: Sequence[float], x: float) -> float | None:
    """Return the value of the sample nearest to x; None when there is none."""
    import numpy as np

    if not len(xs):
        return None
    x_array = np.asarray(xs, np.float64)[: len(ys)]
    i = int(np.clip(np.searchsorted(x_array, x), 0, len(x_array) - 1))
    if i > 0 and abs(x_array[i - 1] - x) <= abs(x_array[i] - x):
        i -= 1
    return float(ys[i])
