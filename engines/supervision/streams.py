"""Limits for an untrusted stream: lines bounded in length, and a bounded rate.

Standard library only; no clock of its own.
"""

from __future__ import annotations


class LineSplitter:
    """Splits bytes into lines. A line longer than `longest` bytes is cut there, and the rest of it skipped."""

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self._partial = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that the data completes, without their newlines."""
        *ends, start = data.split(b"\n")
        if not ends:
            return self._extend(start)
        lines = self._extend(ends[0])
        if not self._skipping:
            lines.append(bytes(self._partial))
        self._partial.clear()
        self._skipping = False
        return [*lines, *(line[: self.longest] for line in ends[1:]), *self._extend(start)]

    def remainder(self) -> bytes:
        """Return the incomplete last line."""
        return bytes(self._partial)

    def _extend(self, part: bytes) -> list[bytes]:
        """Extend the incomplete line; return it, cut, once it is too long."""
        if self._skipping:
            return []
        self._partial += part[: self.longest - len(self._partial)]
        if len(self._partial) < self.longest:
            return []
        cut = bytes(self._partial)
        self._partial.clear()
        self._skipping = True
        return [cut]


class TokenBucket:
    """A token bucket: gains `per_second` tokens a second, up to `capacity`, and starts full."""

    def __init__(self, per_second: float, capacity: float) -> None:
        self.per_second = per_second
        self.capacity = capacity
        self._tokens = capacity
        self._t: float | None = None

    def available(self, now: float) -> float:
        """Return the tokens at the time `now`; negative after more was spent than there were."""
        if self._t is not None:
            self._tokens = min(self._tokens + (now - self._t) * self.per_second, self.capacity)
        self._t = now
        return self._tokens

    def spend(self, tokens: float = 1.0) -> None:
        """Remove tokens."""
        self._tokens -= tokens
