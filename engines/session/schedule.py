"""The rounds of a session that are still to come, and the rest before each of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from engines.session.rounds import Round, drop_engine

REST_SECONDS = 3.0
"""Seconds of rest before each round after the first, so that clocks, caches and the last writes settle."""


class Schedule:
    """The rounds still to come, in their order."""

    def __init__(self) -> None:
        self._rounds: deque[Round] = deque()
        self._idle_since: float | None = None

    def __len__(self) -> int:
        return len(self._rounds)

    def __iter__(self) -> Iterator[Round]:
        return iter(self._rounds)

    def put_first(self, rounds: Sequence[Round]) -> None:
        """Put the rounds before all others."""
        self._rounds.extendleft(reversed(rounds))

    def drop_engine(self, engine: str) -> None:
        """Drop the engine's runs still to come."""
        self._rounds = deque(drop_engine(self._rounds, engine))

    def clear(self) -> None:
        """Drop all rounds."""
        self._rounds.clear()

    def rests(self, now: float) -> bool:
        """Return whether an idle machine still rests; the rest begins with the first call after a round."""
        if self._idle_since is None:
            self._idle_since = now
        return now - self._idle_since < REST_SECONDS

    def start_next(self) -> Round:
        """Remove the next round and return it."""
        self._idle_since = None
        return self._rounds.popleft()
