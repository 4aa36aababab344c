"""Lines out of a stream that nobody promises anything about: bounded in length, and bounded in number.

Standard library only; no clock of its own.
"""

from __future__ import annotations


class LineSplitter:
    """Cuts bytes into lines. Of a line longer than `longest` bytes the beginning is given, once, and the rest passed over."""

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self._begun = bytearray()
        self._passing_over = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that the data completes, without their newlines."""
        *ends, begins = data.split(b"\n")
        if not ends:
            return self._go_on(begins)
        done = self._go_on(ends[0])
        if not self._passing_over:
            done.append(bytes(self._begun))
        self._begun.clear()
        self._passing_over = False
        return [*done, *(line[: self.longest] for line in ends[1:]), *self._go_on(begins)]

    def remainder(self) -> bytes:
        """What was begun and never ended."""
        return bytes(self._begun)

    def _go_on(self, part: bytes) -> list[bytes]:
        if self._passing_over:
            return []
        self._begun += part[: self.longest - len(self._begun)]
        if len(self._begun) < self.longest:
            return []
        cut = bytes(self._begun)
        self._begun.clear()
        self._passing_over = True
        return [cut]


class TokenBucket:
    """So many a second, and as many again as were saved up, to `most`."""

    def __init__(self, per_second: float, most: float) -> None:
        self.per_second = per_second
        self.most = most
        self._left = most
        self._t: float | None = None

    def available(self, now: float) -> float:
        """How many there may be now; below 0 for what was taken ahead of time."""
        if self._t is not None:
            self._left = min(self._left + (now - self._t) * self.per_second, self.most)
        self._t = now
        return self._left

    def take(self, cost: float = 1.0) -> None:
        """Use some up."""
        self._left -= cost
