"""Commands on their way from any thread to the one that owns the worker, which sleeps in a selector."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence

from engines.messages.commands import Command
from engines.messages.events import Event


class CommandQueue:
    """A queue that wakes its reader through a pipe. It never blocks, even when the worker hangs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        """Guards `closed` and the pipe; never held while publishing, which may wait for a disk."""
        self._items: deque[tuple[Command, Sequence[Event], float]] = deque()
        self._wake_w = -1
        self.wake_fd = -1
        """Readable after each `wake`; valid between `open` and `close`."""
        self.closed = False
        """True once no more commands are accepted."""

    def open(self) -> None:
        """Open the pipe. Raises OSError."""
        with self._lock:
            self.wake_fd, self._wake_w = os.pipe()
            os.set_blocking(self._wake_w, False)

    def add(self, command: Command, past: Sequence[Event] = ()) -> bool:
        """Add a command, with the past of the run that it resumes; False when the queue is closed."""
        with self._lock:
            if self.closed:
                return False
            self._items.append((command, past, time.monotonic()))
        self.wake()
        return True

    def drain(self) -> Iterator[tuple[Command, Sequence[Event], float]]:
        """Remove and yield (command, past, time it was added), oldest first."""
        while self._items:
            yield self._items.popleft()

    def wake(self) -> None:
        """Make `wake_fd` readable."""
        with self._lock, contextlib.suppress(OSError):
            if self._wake_w >= 0:
                os.write(self._wake_w, b"!")

    def close(self) -> None:
        """Accept no more commands; those in the queue can still be drained."""
        with self._lock:
            self.closed = True
            for fd in (self.wake_fd, self._wake_w):
                if fd >= 0:
                    os.close(fd)
            self.wake_fd = self._wake_w = -1
