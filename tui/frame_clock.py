"""What is drawn when: frames as often as the terminal keeps up, figures in some of them, curves in fewer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

FPS = 10
FIGURES_EVERY = 2
"""Frames from figures to figures: nobody reads ten numbers a second, and each costs bytes over SSH."""
CURVES_EVERY = 6
"""Frames from curves to curves: they cost most."""


@runtime_checkable
class FrameReceiver(Protocol):
    """A screen that draws the session's histories."""

    def show_frame(self, changed: set[str], with_curves: bool) -> None:
        """One frame: what changed, and curves when it is their turn."""


class FrameClock:
    """Counts the frames, and knows which histories have changed since their curves were drawn."""

    def __init__(self, fps: int = FPS) -> None:
        self.fps = min(max(fps, 1), 60)
        self.stale: set[str] = set()
        """The histories whose curves are older than they are."""
        self._pace = Pace(self.period)
        self._count = 0

    @property
    def period(self) -> float:
        """Seconds from tick to tick."""
        return 1 / self.fps

    def due(self, now: float) -> bool:
        """Whether the tick at `now`, in seconds, is a frame."""
        return self._pace.draws(now)

    def changed(self, engines: Iterable[str]) -> None:
        """The curves of these are to be drawn anew."""
        self.stale.update(engines)

    def draw(self, show: Callable[[set[str], bool], None], *, held: bool = False) -> bool:
        """One frame: `show` is called when figures have their turn, with what is stale and whether curves have theirs.

        While frames are held, that turn waits. Returns whether `show` was called.
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
