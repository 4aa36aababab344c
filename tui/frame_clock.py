"""What is drawn when: frames as often as the terminal keeps up, figures in some of them, curves in fewer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

from tui.pace import Pace

FPS = 10
FIGURES_EVERY = 2
"""Frames from figures to figures: nobody reads ten numbers a second, and each costs bytes over SSH."""
CURVES_EVERY = 6
"""Frames from curves to curves: they cost most."""


@runtime_checkable
class Shown(Protocol):
    """A screen that draws the session's histories."""

    def show_frame(self, changed: set[str], with_curves: bool) -> None:
        """One frame: what changed, and curves when it is their turn."""


class Frames:
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
