"""What a worker prints: so many lines a second become log lines, the rest is counted. Printing never waits, so it costs no speed.

What the parent has to complain about goes the same way, for that, too, may come by the million.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from engines.plural import plural
from engines.supervision.fatal_message import RECENT_LINES, fatal_message
from engines.supervision.streams import LineSplitter, TokenBucket

TAIL_LINES = 20
MAX_CHARACTERS = 2_000
"""Of a line, in the log."""
MAX_BYTES = 2**16
"""Of a line, read."""
PER_SECOND = 100
LAST_SECONDS = 5.0
"""What was printed longer ago than this has nothing to do with the end."""
SAVED_SECONDS = 5
"""After silence, so many seconds' lines may come at once; the lines not kept are counted as often as that."""


class OutputCapture:
    """One worker's stdout and stderr."""

    def __init__(self, say: Callable[[str, str], None]) -> None:
        """`say(stream, text)` is called for each line that is kept; the stream is "stdout", "stderr" or "supervisor"."""
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._recent: deque[tuple[float, str]] = deque(maxlen=RECENT_LINES)
        """The last lines, and when each was read."""
        self._say = say
        self._lines = {"stdout": LineSplitter(MAX_BYTES), "stderr": LineSplitter(MAX_BYTES)}
        self._allowance = TokenBucket(PER_SECOND, PER_SECOND * SAVED_SECONDS)
        self._unkept = 0
        self._counted_t = time.monotonic()

    @property
    def last_words(self) -> str:
        """The line, among those of the last few seconds, that says why the worker died; empty when there is none."""
        now = time.monotonic()
        return fatal_message([text for read_t, text in self._recent if now - read_t < LAST_SECONDS])

    def feed(self, data: bytes, stream: str) -> None:
        """Read on."""
        lines = self._lines[stream].feed(data)
        room = max(int(self._allowance.available(time.monotonic())), 0)
        for line in lines[:room]:
            self._keep(line, stream)
        self._unkept += len(lines[room:])
        for line in lines[room:][-RECENT_LINES:]:
            self._read(line)

    def warn(self, text: str) -> None:
        """The parent's own remark on what the worker does."""
        if self._allowance.available(time.monotonic()) >= 1:
            self._allowance.take()
            self._say("supervisor", text)
        else:
            self._unkept += 1

    def finish(self) -> None:
        """The worker has ended."""
        for stream, lines in self._lines.items():
            self._keep(lines.remainder(), stream)
        self.report_dropped(at_once=True)

    def report_dropped(self, *, at_once: bool = False) -> None:
        """Say how many lines were not kept, now and then."""
        now = time.monotonic()
        if self._unkept and (at_once or now > self._counted_t + SAVED_SECONDS):
            self._say("supervisor", f"{plural(self._unkept, 'more line')} not kept: the worker prints too many")
            self._unkept, self._counted_t = 0, now

    def _keep(self, line: bytes, stream: str) -> None:
        if text := self._read(line):
            self._allowance.take()
            self._say(stream, text)

    def _read(self, line: bytes) -> str:
        text = line.decode(errors="replace").rstrip("\r").rpartition("\r")[2][:MAX_CHARACTERS]
        if not text.strip():
            return ""
        self.tail.append(text)
        self._recent.append((time.monotonic(), text))
        return text
