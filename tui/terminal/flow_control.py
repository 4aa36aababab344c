"""Flow control towards the terminal: the next frame waits until the terminal has shown the last one."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 10.0
"""How long a frame waits for an answer. A lost one, of a terminal that was detached meanwhile, costs so long and no more."""
LINGER_SECONDS = 1.0
"""How long to wait for the last answer before somebody else reads the terminal, who would take it for typed keys."""


class FlowControl:
    """Stop and wait: without it, a link that is slower than the output makes kernels and SSH queue minutes of old frames.

    The first query is sent before anything is painted, so that its answer does not wait behind a painting. Until it has come,
    frames wait for nothing: some terminals never answer. `record_answer` may be called by the thread that reads the terminal.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.answers = False
        """Whether the terminal is known to answer."""
        self._clock = clock
        self._queried_at: float | None = None
        """When the query was sent whose answer has not come yet."""

    def may_draw(self) -> bool:
        """Whether the next frame may be sent."""
        return not (self.answers and self._waits_since(self._queried_at, PATIENCE_SECONDS))

    def record_query(self) -> None:
        """A query was sent."""
        self._queried_at = self._clock()

    def record_answer(self) -> None:
        """The terminal has shown everything that was sent before the query."""
        self.answers, self._queried_at = True, None

    def may_leave(self, since: float) -> bool:
        """Whether the terminal may be given up, which was to happen at `since`, because no answer is to come any more."""
        return self._queried_at is None or not self._waits_since(
            since if self.answers else self._queried_at, LINGER_SECONDS
        )

    def _waits_since(self, begin: float | None, seconds: float) -> bool:
        return begin is not None and self._clock() - begin < seconds
