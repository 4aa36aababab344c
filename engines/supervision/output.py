"""The stdout and stderr of a worker: a limited number of lines become log lines, the rest is counted.

Reading never waits, so printing costs the worker no speed. The parent's own warnings are limited too: they may come by the million.
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
"""Characters of a line in the log."""
MAX_BYTES = 2**16
"""Bytes of a line that are read."""
LINES_PER_SECOND = 100
LAST_SECONDS = 5.0
"""Lines that were printed earlier than this before the end don't explain it."""
BURST_SECONDS = 5
"""After silence, the lines of this many seconds may come at once; dropped lines are reported as often."""


class OutputCapture:
    """One worker's stdout and stderr."""

    def __init__(self, on_line: Callable[[str, str], None]) -> None:
        """`on_line(stream, text)` is called for each line that is logged; streams are "stdout", "stderr" and "supervisor"."""
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._recent: deque[tuple[float, str]] = deque(maxlen=RECENT_LINES)
        """The last lines, each with the time when it was read."""
        self._on_line = on_line
        self._lines = {"stdout": LineSplitter(MAX_BYTES), "stderr": LineSplitter(MAX_BYTES)}
        self._budget = TokenBucket(LINES_PER_SECOND, LINES_PER_SECOND * BURST_SECONDS)
        self._dropped = 0
        self._reported_t = time.monotonic()

    @property
    def last_words(self) -> str:
        """The line of the last few seconds that says why the worker died; empty when there is none."""
        now = time.monotonic()
        return fatal_message([text for read_t, text in self._recent if now - read_t < LAST_SECONDS])

    def feed(self, data: bytes, stream: str) -> None:
        """Log the lines that the data completes, as far as the budget allows, and count the others."""
        lines = self._lines[stream].feed(data)
        room = max(int(self._budget.available(time.monotonic())), 0)
        for line in lines[:room]:
            self._log(line, stream)
        self._dropped += len(lines[room:])
        for line in lines[room:][-RECENT_LINES:]:
            self._remember(line)

    def warn(self, text: str) -> None:
        """Log a warning of the parent's."""
        if self._budget.available(time.monotonic()) >= 1:
            self._budget.spend()
            self._on_line("supervisor", text)
        else:
            self._dropped += 1

    def finish(self) -> None:
        """Log what is left after the worker's end."""
        for stream, lines in self._lines.items():
            self._log(lines.remainder(), stream)
        self.report_dropped(at_once=True)

    def report_dropped(self, *, at_once: bool = False) -> None:
        """Log the number of dropped lines, at most once every `BURST_SECONDS`."""
        now = time.monotonic()
        if self._dropped and (at_once or now > self._reported_t + BURST_SECONDS):
            self._on_line("supervisor", f"{plural(self._dropped, 'more line')} dropped: the worker prints too many")
            self._dropped, self._reported_t = 0, now

    def _log(self, line: bytes, stream: str) -> None:
        if text := self._remember(line):
            self._budget.spend()
            self._on_line(stream, text)

    def _remember(self, line: bytes) -> str:
        """Decode a line and add it to the last ones; empty for a blank line."""
        text = line.decode(errors="replace").rstrip("\r").rpartition("\r")[2][:MAX_CHARACTERS]
        if not text.strip():
            return ""
        self.tail.append(text)
        self._recent.append((time.monotonic(), text))
        return text
