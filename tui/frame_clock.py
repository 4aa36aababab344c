"""The schedule of drawing: frames as often as the terminal keeps up, figures in some of them, curves in fewer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

FPS = 10
FIGURES_EVERY = 2
"""Frames between two updates of the figures: ten numbers a second are unreadable, and each costs bytes over SSH."""
CURVES_EVERY = 6
"""Frames between two updates of the curves, which cost most."""


def now() -> float:
    """Return the event loop's time in seconds: time.monotonic's, or a virtual one while the app is recorded."""
    return asyncio.get_running_loop().time()


@runtime_checkable
class FrameReceiver(Protocol):
    """A screen that draws the session's histories."""

    def show_frame(self, changed: set[str], with_curves: bool) -> None:
        """Draw one frame: the figures, and with `with_curves` the curves of the `changed` engines."""


class FrameClock:
    """Counts the frames, and records which histories have changed since their curves were drawn."""

    def __init__(self, fps: int = FPS) -> None:
        self.fps = min(max(fps, 1), 60)
        self.stale: set[str] = set()
        """The engines whose curves are older than their histories."""
        self._throttle = FrameThrottle(self.period)
        self._count = 0

    @property
    def period(self) -> float:
        """Seconds between two ticks."""
        return 1 / self.fps

    def is_due(self, now: float) -> bool:
        """Return whether the tick at `now`, in seconds, is a frame."""
        return self._throttle.is_frame(now)

    def mark_stale(self, engines: Iterable[str]) -> None:
        """Mark the curves of these engines for redrawing."""
        self.stale.update(engines)

    def draw(self, show: Callable[[set[str], bool], None], *, held: bool = False) -> bool:
        """Count one frame, and call `show` with the stale engines when figures are due; the flag is whether curves are.

        While frames are held, due figures wait. Returns whether `show` was called.
        """
        figures = (self._count + 1) % FIGURES_EVERY == 0
        if figures and held:
            return False
        self._count += 1
        with_curves = self._count % CURVES_EVERY == 0
        if figures:
            show(self.stale, with_curves)
        if with_curves:
            self.stale = set()
        return figures


LATE_SHARE = 0.5
"""The mean lateness of ticks, as a share of their period, above which fewer of them are frames."""

MAX_TICKS_PER_FRAME = 5
"""The most ticks between two frames, however late they come."""

RECOVERY_TICKS = 20
"""The number of punctual ticks after which more of them are frames again."""

_NEWEST_WEIGHT = 0.1
"""The weight of the newest tick in the moving average of the lateness."""


class FrameThrottle:
    """Decides which ticks are frames: fewer while a busy machine holds up the event loop, so that its ticks come late."""

    def __init__(self, period: float) -> None:
        self.period = period
        """Seconds between two punctual ticks."""
        self.ticks_per_frame = 1
        self._lateness = 0.0
        self._previous_tick: float | None = None
        self._ticks_since_frame = self._punctual_ticks = 0

    def is_frame(self, now: float) -> bool:
        """Return whether the tick at `now`, in seconds, is a frame."""
        late = 0.0 if self._previous_tick is None else max(now - self._previous_tick - self.period, 0.0)
        self._previous_tick = now
        self._lateness += _NEWEST_WEIGHT * (min(late, 1.0) - self._lateness)
        if self._lateness > LATE_SHARE * self.period:
            self.ticks_per_frame = min(self.ticks_per_frame + 1, MAX_TICKS_PER_FRAME)
            self._lateness, self._punctual_ticks = 0.0, 0
        elif late < LATE_SHARE * self.period:
            self._punctual_ticks += 1
            if self._punctual_ticks >= RECOVERY_TICKS:
                self.ticks_per_frame, self._punctual_ticks = max(self.ticks_per_frame - 1, 1), 0
        self._ticks_since_frame += 1
        if self._ticks_since_frame < self.ticks_per_frame:
            return False
        self._ticks_since_frame = 0
        return True
