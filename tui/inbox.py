"""Events on their way from the threads to the screen: never without end, however long a stalled terminal holds it up."""

from __future__ import annotations

import threading

from engines.api import Event, Heartbeat, LogLine, MachineUsage, TrainProgress, WorkerUsage

LIMIT = 10_000
"""Minutes of two engines that train; taken ten times a second, they are a handful."""

_FIGURES = (TrainProgress, WorkerUsage, MachineUsage, Heartbeat, LogLine)
"""One of many, of which the screen can miss some; the record on disk has them all."""


class Inbox:
    """Filled by any thread, emptied by one."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._limit = LIMIT
        self._lock = threading.Lock()

    def put(self, event: Event) -> None:
        """The newest event."""
        with self._lock:
            self._events.append(event)
            if len(self._events) > self._limit:
                self._thin_out()

    def take(self) -> list[Event]:
        """All of them, in order."""
        with self._lock:
            events, self._events, self._limit = self._events, [], LIMIT
        return events

    def _thin_out(self) -> None:
        """Every second figure goes; what tells of a state stays."""
        odd = False
        kept = []
        for event in self._events:
            odd ^= isinstance(event, _FIGURES)
            if odd or not isinstance(event, _FIGURES):
                kept.append(event)
        self._events, self._limit = kept, max(LIMIT, len(kept) + LIMIT // 4)
