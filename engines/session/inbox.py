"""Events on their way from the threads to the screen: never without end, however long a stalled terminal holds it up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from engines.messages.events import Event, Heartbeat, LogLine, MachineUsage, TrainProgress, WorkerUsage

LIMIT = 10_000
"""Minutes of two engines that train; taken ten times a second, they are a handful."""
STALLED_SECONDS = 30.0
"""A screen that took nothing for so long is held up; what comes at once is the past of a run that goes on, and all of it counts."""

_FIGURES = (TrainProgress, WorkerUsage, MachineUsage, Heartbeat, LogLine)
"""One of many, of which the screen can miss some; the record on disk has them all."""


class Inbox:
    """Filled by any thread, emptied by one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._taken_t = clock()
        self._events: list[Event] = []
        self._limit = LIMIT
        self._lock = threading.Lock()

    def put(self, event: Event) -> None:
        """The newest event."""
        with self._lock:
            self._events.append(event)
            if len(self._events) > self._limit and self._clock() - self._taken_t > STALLED_SECONDS:
                self._thin_out()

    def take(self) -> list[Event]:
        """All of them, in order."""
        with self._lock:
            events, self._events, self._limit = self._events, [], LIMIT
            self._taken_t = self._clock()
        return events

    def _thin_out(self) -> None:
        """Of each engine's figures every second one of a kind goes; what tells of a state stays."""
        odd: dict[tuple[str, type[Event]], bool] = {}
        kept = []
        for event in reversed(self._events):  # so that the newest of each kind stays
            kind = event.engine, type(event)
            odd[kind] = not odd.get(kind, False)
            if odd[kind] or not isinstance(event, _FIGURES):
                kept.append(event)
        self._events, self._limit = kept[::-1], max(LIMIT, len(kept) + LIMIT // 4)
