"""A Python program in a pseudo-terminal, as a user would see it; what it writes there is counted and thrown away."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Sequence

COLUMNS, ROWS = 120, 40


class Child:
    """Runs a script until `end`; `written` is (seconds on the monotonic clock, bytes) of each read."""

    def __init__(self, script: str, arguments: Sequence[str] = (), pass_fds: Sequence[int] = ()) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, pass_fds=pass_fds,
            env={**environment(), "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        )  # fmt: skip
        os.close(theirs)
        self.written: list[tuple[float, int]] = []
        self._reader = threading.Thread(target=self._count, daemon=True)
        self._reader.start()

    def _count(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._ours, 1 << 16):
                self.written.append((time.monotonic(), len(data)))

    def end(self) -> None:
        """Ask it to end, and see to it."""
        end(self.process)
        self._reader.join(5)
        os.close(self._ours)


def environment() -> dict[str, str]:
    """Ours, but Python keeps what it compiles, as it does for an app that was installed."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL to one that does not heed it."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
