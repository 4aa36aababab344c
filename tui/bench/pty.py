"""A Python program in a pseudo-terminal, whose output is counted and dropped."""

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


class PtyProcess:
    """Runs a Python module in a pseudo-terminal until `stop`."""

    def __init__(self, module: str, arguments: Sequence[str] = (), pass_fds: Sequence[int] = ()) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdin=slave, stdout=slave, stderr=slave, start_new_session=True, pass_fds=pass_fds,
            env={**child_environment(), "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        )  # fmt: skip
        os.close(slave)
        self.reads: list[tuple[float, int]] = []
        """The output so far: (time.monotonic(), bytes) of each read."""
        self._reader = threading.Thread(target=self._count, daemon=True)
        self._reader.start()

    def _count(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._master, 1 << 16):
                self.reads.append((time.monotonic(), len(data)))

    def stop(self) -> None:
        """Stop the program and close the terminal."""
        stop(self.process)
        self._reader.join(5)
        os.close(self._master)


def child_environment() -> dict[str, str]:
    """Return the environment of an installed app: Python caches its bytecode, and numpy may start threads."""
    ours = ("PYTHONDONTWRITEBYTECODE", "OPENBLAS_NUM_THREADS")
    return {name: value for name, value in os.environ.items() if name not in ours}


def stop(process: subprocess.Popen[bytes]) -> None:
    """Send SIGTERM, and SIGKILL to a process that is still there after 15 seconds."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
