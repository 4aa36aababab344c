"""The clock of a tour, which runs faster than the real one on request, and can be held."""

from __future__ import annotations

import time
from collections.abc import Callable


class TourClock:
    """Counts seconds from 0, `speed` for each of the real clock."""

    def __init__(self, speed: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.held = False
        self._speed = speed
        self._clock = clock
        self._anchor = (clock(), 0.0)
        """A time on the real clock, and this one's time at that moment."""

    def __call__(self) -> float:
        real, seconds = self._anchor
        return seconds if self.held else seconds + (self._clock() - real) * self._speed

    def toggle(self) -> None:
        """Hold the clock, or let it run on."""
        self._anchor = (self._clock(), self())
        self.held = not self.held
