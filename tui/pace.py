"""How often to draw: at every tick, or less often while ticks come late."""

from __future__ import annotations

LATE = 0.5
"""Ticks that come later than this share of their period, on average, are thinned out."""
SLOWEST = 5
"""At most every so many ticks is a frame, however late they come."""
RECOVERY_TICKS = 20
"""Ticks in time after which more frames are drawn again."""
_NEWEST = 0.1
"""The weight of the newest tick in the mean."""


class Pace:
    """Decides at each tick. A busy machine holds the event loop up, and its ticks come late."""

    def __init__(self, period: float) -> None:
        self.period = period
        """Seconds from tick to tick, when all is well."""
        self.every = 1
        """Ticks from frame to frame."""
        self._lateness = 0.0
        self._before: float | None = None
        self._since_frame = self._in_time = 0

    def draws(self, now: float) -> bool:
        """Whether the tick at `now`, in seconds, is a frame."""
        late = 0.0 if self._before is None else max(now - self._before - self.period, 0.0)
        self._before = now
        self._lateness += _NEWEST * (min(late, 1.0) - self._lateness)
        if self._lateness > LATE * self.period:
            self.every, self._lateness, self._in_time = min(self.every + 1, SLOWEST), 0.0, 0
        elif late < LATE * self.period:
            self._in_time += 1
            if self._in_time >= RECOVERY_TICKS:
                self.every, self._in_time = max(self.every - 1, 1), 0
        self._since_frame += 1
        if self._since_frame < self.every:
            return False
        self._since_frame = 0
        return True
