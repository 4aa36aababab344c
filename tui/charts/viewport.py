"""How the charts look at the runs: what x means, which stretch of it is seen, how smooth the curves are, where the cursor stands.

One view serves all charts of the screen, so that they zoom, pan and point together. Every change gives a new view.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

X_AXES = ("step", "epoch", "time")
"""What x counts: steps, epochs, or seconds since the run was asked for."""
SMOOTHING = (0.0, 0.6, 0.9, 0.97)
"""Weights of the past in the moving average; 0.6 is TensorBoard's default, 0.9 suits a point every few steps."""
ZOOM = 1.5
"""How much closer one key press, or one notch of the wheel, brings it."""
CLOSEST = 1e-3
"""The smallest stretch, as a share of the whole."""
_FORGOTTEN = 1e-3
"""Samples that weigh less than this in the moving average are left out."""


class Viewport(NamedTuple):
    """What all charts show."""

    x_axis: str = X_AXES[0]
    log_y: bool = False
    smoothing: float = SMOOTHING[2]
    stretch: float | None = None
    """How much of x is seen, in its own units; None shows everything."""
    right: float | None = None
    """Where the stretch ends; None follows the newest sample."""
    cursor: float | None = None
    """Where values are read; None: at the newest sample."""

    def window(self, whole: tuple[float, float]) -> tuple[float, float]:
        """The x range that is seen, of data that covers `whole`."""
        length = whole[1] - whole[0]
        if self.stretch is None or self.stretch >= length or self.stretch < length * CLOSEST / ZOOM:
            return whole  # what was seen of a run that had hardly begun is nothing of what it became
        right = whole[1] if self.right is None else min(max(self.right, whole[0] + self.stretch), whole[1])
        return right - self.stretch, right

    def zoomed(self, factor: float, whole: tuple[float, float], at: float | None = None) -> Viewport:
        """Closer by `factor`, keeping `at` (or the cursor, or the newest sample) where it is on the screen."""
        length = whole[1] - whole[0]
        left, right = self.window(whole)
        stretch = max((right - left) / factor, length * CLOSEST)
        if length <= 0 or stretch >= length:
            return self._replace(stretch=None, right=None)
        fixed = at if at is not None else self.cursor
        if fixed is None or fixed >= right:
            return self._replace(stretch=stretch, right=self.right)
        share = (right - min(max(fixed, left), right)) / (right - left)
        return self._ending(fixed + share * stretch, stretch, whole)

    def panned(self, share: float, whole: tuple[float, float]) -> Viewport:
        """Moved along by a share of what is seen; at the end it follows the newest sample again."""
        left, right = self.window(whole)
        if self.stretch is None:
            return self
        return self._ending(right + share * (right - left), right - left, whole)

    def _ending(self, right: float, stretch: float, whole: tuple[float, float]) -> Viewport:
        right = max(right, whole[0] + stretch)
        return self._replace(stretch=stretch, right=None if right >= whole[1] - 0.01 * stretch else right)

    def pointed(self, columns: float, of: int, whole: tuple[float, float]) -> Viewport:
        """The cursor moved by so many of the plot's columns; it appears at the newest sample."""
        left, right = self.window(whole)
        at = right if self.cursor is None else self.cursor + columns * (right - left) / max(of - 1, 1)
        moved = self._replace(cursor=min(max(at, whole[0]), whole[1]))
        if self.stretch is not None and moved.cursor is not None and not left <= moved.cursor <= right:
            moved = moved.panned(math.copysign(0.25, columns), whole)
        return moved

    def with_next_axis(self) -> Viewport:
        """The next meaning of x; zoom and cursor speak of the old one, so they end."""
        following = X_AXES[(X_AXES.index(self.x_axis) + 1) % len(X_AXES)]
        return self._replace(x_axis=following, stretch=None, right=None, cursor=None)

    def with_next_smoothing(self) -> Viewport:
        """Smoother, then raw again."""
        at = SMOOTHING.index(self.smoothing) if self.smoothing in SMOOTHING else 0
        return self._replace(smoothing=SMOOTHING[(at + 1) % len(SMOOTHING)])

    def reset(self) -> Viewport:
        """Everything in sight, no cursor."""
        return self._replace(stretch=None, right=None, cursor=None)


def smoothed(ys: Sequence[float], weight: float) -> Any:
    """The exponential moving average, freed of its bias towards the start (Kingma & Ba 2015, as TensorBoard does), shape (n,).

    A NaN stays a NaN and has no weight in its neighbours.
    """
    import numpy as np

    y = np.array(ys, np.float64)
    if weight <= 0 or len(y) < 2:
        return y
    kernel = weight ** np.arange(math.ceil(math.log(_FORGOTTEN) / math.log(weight)))
    good = np.isfinite(y)
    total = np.convolve(np.where(good, y, 0.0), kernel)[: len(y)]
    weights = np.convolve(good.astype(np.float64), kernel)[: len(y)]
    return np.where(good, total / np.maximum(weights, 1e-12), y)


def value_at(xs: Sequence[float], ys: Sequence[float], x: float) -> float | None:
    """The sample nearest to x; None when there is none."""
    import numpy as np

    if not len(xs):
        return None
    at = np.asarray(xs, np.float64)[: len(ys)]
    i = int(np.clip(np.searchsorted(at, x), 0, len(at) - 1))
    if i > 0 and abs(at[i - 1] - x) <= abs(at[i] - x):
        i -= 1
    return float(ys[i])
