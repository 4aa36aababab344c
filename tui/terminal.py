"""The terminal as it was: remembered before the app takes it, given back when the app can't do so itself."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
from typing import Any

_UNDO = (
    "\x1b[?1049l"  # the normal screen
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # no mouse reports
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l"  # no focus, paste or resize reports
    "\x1b[<u\x1b[?7h\x1b[?25h\x1b[0m"  # plain keys, wrapping, a cursor, no colours
)

Saved = list[Any] | None


def save() -> Saved:
    """The line discipline of the terminal on stdin; None where there is no terminal."""
    try:
        return termios.tcgetattr(sys.__stdin__.fileno()) if sys.__stdin__ is not None else None
    except (termios.error, ValueError, OSError):
        return None


def restore(saved: Saved) -> None:
    """Give the terminal back, without ever waiting for it."""
    with contextlib.suppress(OSError, ValueError):
        os.set_blocking(2, False)
        os.write(2, _UNDO.encode())
        os.set_blocking(2, True)
    if saved is not None:
        with contextlib.suppress(termios.error, OSError, ValueError):
            termios.tcsetattr(0, termios.TCSANOW, saved)
