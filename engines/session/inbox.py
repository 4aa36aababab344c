"""The queue of events between the workers' threads and the screen; bounded, however long a stalled terminal blocks it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from engines.messages.events import Event, Heartbeat, LogLine, MachineUsage, TrainProgress, WorkerUsage

CAPACITY = 10_000
"""Events that two training engines send in minutes; a screen that drains ten times a second sees a handful."""
STALLED_SECONDS = 30.0
"""Seconds without a drain after which the screen counts as stalled. A resumed run sends its long past at once, unthinned."""

_THINNABLE = (TrainProgress, WorkerUsage, MachineUsage, Heartbeat, LogLine)
"""Kinds of frequent events, of which the screen can miss some; the record on disk has all of them."""


class Inbox:
    """A queue that any thread fills and one thread drains."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._drained_t = clock()
        self._events: list[Event] = []
        self._capacity = CAPACITY
        self._lock = threading.Lock()

    def put(self, event: Event) -> None:
        """Append an event."""
        with self._lock:
            self._events.append(event)
            if len(self._events) > self._capacity and self._clock() - self._drained_t > STALLED_SECONDS:
                self._thin_out()

    def drain(self) -> list[Event]:
        """Remove and return all events, in order."""
        with self._lock:
            events, self._events, self._capacity = self._events, [], CAPACITY
            self._drained_t = self._clock()
        return events

    def _thin_out(self) -> None:
        """Drop every second event of each thinnable kind and engine; events that change a state stay."""
        keep_next: dict[tuple[str, type[Event]], bool] = {}
        kept = []
        for event in reversed(self._events):  # so that the newest of each kind stays
            kind = event.engine, type(event)
            keep_next[kind] = not keep_next.get(kind, False)
            if keep_next[kind] or not isinstance(event, _THINNABLE):
                kept.append(event)
        self._events, self._capacity = kept[::-1], max(CAPACITY, len(kept) + CAPACITY // 4)
