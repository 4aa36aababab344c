"""Flow control for the terminal: the next frame waits until the terminal has shown the last one."""

from __future__ import annotations

import time
from collections.abc import Callable

ANSWER_TIMEOUT_SECONDS = 10.0
"""Seconds that a frame waits for an answer; one that is lost, because the terminal was detached, costs only this delay."""
RELEASE_TIMEOUT_SECONDS = 1.0
"""Seconds to wait for the last answer before another program reads the terminal: it would take the answer for typed keys."""


class FlowControl:
    """Stop-and-wait flow control: without it, kernels and SSH queue minutes of old frames for a slow link.

    The first query is sent before anything is painted, so that its answer comes soon. Until then frames do not wait, because some
    terminals never answer. `record_answer` may be called by the thread that reads the terminal.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.answers = False
        """True once the terminal has answered a query."""
        self._clock = clock
        self._queried_at: float | None = None
        """Time of the query that is not answered yet."""

    def may_draw(self) -> bool:
        """Return whether the next frame may be sent."""
        return not (self.answers and self._within(self._queried_at, ANSWER_TIMEOUT_SECONDS))

    def record_query(self) -> None:
        """Record that a query was sent."""
        self._queried_at = self._clock()

    def record_answer(self) -> None:
        """Record that the terminal has shown everything that was sent before the query."""
        self.answers, self._queried_at = True, None

    def may_release(self, since: float) -> bool:
        """Return whether another program may read the terminal: no answer is due, or the wait that began at `since` is over."""
        if self._queried_at is None:
            return True
        return not self._within(since if self.answers else self._queried_at, RELEASE_TIMEOUT_SECONDS)

    def _within(self, start: float | None, seconds: float) -> bool:
        return start is not None and self._clock() - start < seconds
