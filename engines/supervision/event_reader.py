"""The worker's end of the event stream: bytes from its pipe become checked events, limited in number.

No process and no files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from engines.messages.codec import MAX_LINE_BYTES, ProtocolError, decode_event
from engines.messages.events import Event
from engines.plural import plural
from engines.supervision.streams import LineSplitter, TokenBucket

EVENTS_PER_SECOND = 2_000
"""A worker that sends more has to wait: ten times what the shortest epochs on a GPU send, and still cheap to decode."""
BYTES_PER_EVENT = 4_096
"""An event longer than this counts as several."""
BURST_SECONDS = 5
"""After silence, the events of this many seconds may come at once."""


class EventReader:
    """Reads one worker's events, drops what can't be used, and passes a sentence about it to `warn`."""

    def __init__(self, engine: str, warn: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._warn = warn
        self._clock = clock
        self._lines = LineSplitter(MAX_LINE_BYTES)
        self._budget = TokenBucket(EVENTS_PER_SECOND, EVENTS_PER_SECOND * BURST_SECONDS)
        self._warned_of_rate = False
        self._last_seq = 0

    def may_read(self) -> bool:
        """Return whether the budget allows more events; until it does, they stay in the pipe, and the worker has to wait."""
        if self._budget.available(self._clock()) > 0:
            return True
        if not self._warned_of_rate:
            self._warned_of_rate = True
            self._warn(f"the worker sends more than {EVENTS_PER_SECOND:,} events a second, and has to wait")
        return False

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield the events that the data completes."""
        for line in self._lines.feed(data):
            if line.strip():
                self._budget.spend(1 + len(line) // BYTES_PER_EVENT)
                yield from self._decode(line)

    def finish(self) -> None:
        """Warn of an event that the end of the worker cut off."""
        if self._lines.remainder().strip():
            self._warn("the worker ended in the middle of an event, which is lost")

    def _decode(self, line: bytes) -> Iterator[Event]:
        if len(line) >= MAX_LINE_BYTES:
            self._warn(f"a line of more than {MAX_LINE_BYTES:,} bytes from the worker was dropped")
            return
        try:
            event = decode_event(line)
        except ProtocolError as error:
            self._warn(f"unreadable line from the worker ({error}): {line[:200].decode(errors='replace')}")
            return
        if event.engine != self._engine:
            self._warn(f"an event of {event.engine!r} from the worker of {self._engine!r} was dropped")
            return
        lost = event.seq - self._last_seq - 1
        if lost > 0:
            self._warn(f"the worker's stream has lost {plural(lost, 'event')}")
        self._last_seq = max(event.seq, self._last_seq)
        yield event
