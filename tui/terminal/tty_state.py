"""The terminal as it was: remembered before the app takes it, given back when the app can't do so itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import termios
from collections.abc import Callable
from typing import Any

CLEAR = "\x1b[0m\x1b[H\x1b[2J"
"""An empty screen, with the cursor where the shell goes on."""
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


def detach() -> tuple[int, int]:
    """Let no thread of ours reach the terminal any more: the standard streams lead nowhere from now on.

    Returns descriptors of what stdin and stderr were, for whoever has the last word.
    """
    try:
        keys, screen = os.dup(0), os.dup(2)
        nowhere = os.open(os.devnull, os.O_RDWR)
    except OSError:  # there are no descriptors left
        return 0, 2
    for number in range(3):
        os.dup2(nowhere, number)
    return keys, screen


def restore(saved: Saved, keys: int = 0, screen: int = 2, *, clear: bool = False) -> None:
    """Give the terminal back, without ever waiting for it; `clear` a picture that an alternate screen may not hide."""
    with contextlib.suppress(OSError, ValueError):
        os.set_blocking(screen, False)
        try:
            os.write(screen, ((CLEAR if clear else "") + _UNDO).encode())
        finally:  # or the shell that comes after us has it so
            os.set_blocking(screen, True)
    if saved is not None:
        with contextlib.suppress(termios.error, OSError, ValueError):
            termios.tcsetattr(keys, termios.TCSANOW, saved)


def install_sigcont(driver: Any, loop: asyncio.AbstractEventLoop, repaint: Callable[[], object]) -> None:
    """After a SIGSTOP too, or a SIGCONT for no reason, the terminal is given back before it is taken again, and is painted whole.

    Textual takes it at every SIGCONT. Where nothing had given it back, two threads read the keys from then on, the older for ever,
    and what is given back in the end is the terminal as we had it. All that is done by the loop: a signal may interrupt the main
    thread while it holds the lock of the driver's queue, which it would wait for without end.
    """
    take = signal.getsignal(signal.SIGCONT)
    if not callable(take):  # no terminal is taken
        return

    def go_on() -> None:
        reader = getattr(driver, "_key_thread", None)
        if reader is not None and reader.is_alive() and driver._auto_restart:
            driver.suspend_application_mode()
        take(signal.SIGCONT, None)
        repaint()

    def continued(*_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: so does the app, already
            loop.call_soon_threadsafe(go_on)

    signal.signal(signal.SIGCONT, continued)


def suspend_to_shell(driver: Any) -> None:
    """Stop with whatever else the shell waits for, `make` for one; SIGCONT goes on.

    The terminal is given back before that: as soon as the others are stopped, the shell takes it.
    """
    driver.suspend_application_mode()
    os.killpg(os.getpgrp(), signal.SIGSTOP)


def has_a_shell() -> bool:
    """Whether a shell waits that could run something else meanwhile: it leads the session, and not our process group."""
    return os.getsid(0) != os.getpgrp()
