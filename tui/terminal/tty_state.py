"""The terminal's state: saved before the app changes it, and restored when the app can't do so itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import termios
from collections.abc import Callable
from typing import Any

from tui.terminal import osc

CLEAR = "\x1b[0m\x1b[H\x1b[2J"
"""Clears the screen and moves the cursor to its top, where the shell continues."""
RESTORE = (
    "\x1b[?1049l"  # the normal screen
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?1016l"  # no mouse reports
    "\x1b[?1004l\x1b[?2004l\x1b[?2048l"  # no focus, paste or resize reports
    "\x1b[<u\x1b[?7h\x1b[?25h\x1b[0m"  # plain keys, wrapping, a cursor, no colours
)
"""Resets every mode that the app may have set."""

LineSettings = list[Any] | None
"""The result of termios.tcgetattr; None without a terminal."""


def save() -> LineSettings:
    """Return the line settings of the terminal on stdin; None without a terminal."""
    try:
        return termios.tcgetattr(sys.__stdin__.fileno()) if sys.__stdin__ is not None else None
    except (termios.error, ValueError, OSError):
        return None


def detach() -> tuple[int, int]:
    """Redirect the standard streams to /dev/null, so that no thread reaches the terminal any more.

    Returns descriptors of the former stdin and stderr.
    """
    try:
        input_fd, output_fd = os.dup(0), os.dup(2)
        null = os.open(os.devnull, os.O_RDWR)
    except OSError:  # out of descriptors
        return 0, 2
    for number in range(3):
        os.dup2(null, number)
    return input_fd, output_fd


def restore(settings: LineSettings, input_fd: int = 0, output_fd: int = 2, *, clear: bool = False) -> None:
    """Restore the terminal without blocking; `clear` the app's screen, for terminals without an alternate one, and its title."""
    before = CLEAR + osc.RESTORE_TITLE * osc.is_known() if clear else ""
    with contextlib.suppress(OSError, ValueError):
        os.set_blocking(output_fd, False)
        try:
            os.write(output_fd, (before + RESTORE).encode())
        finally:  # the shell shares this setting
            os.set_blocking(output_fd, True)
    if settings is not None:
        with contextlib.suppress(termios.error, OSError, ValueError):
            termios.tcsetattr(input_fd, termios.TCSANOW, settings)


def install_sigcont(driver: Any, loop: asyncio.AbstractEventLoop, repaint: Callable[[], object]) -> None:
    """Let SIGCONT restore the terminal before Textual sets it up again, and repaint the whole screen.

    Textual sets the terminal up at every SIGCONT. After a SIGSTOP, or a SIGCONT without a stop, nothing had restored it: then two
    threads would read the keys, the older one for ever, and the state restored at the end would be the app's own. All of this runs
    in the event loop, because the signal may interrupt the main thread while it holds the lock of the driver's queue: a handler
    would wait for that lock for ever.
    """
    set_up = signal.getsignal(signal.SIGCONT)
    if not callable(set_up):  # the app has no terminal
        return

    def resume() -> None:
        reader = getattr(driver, "_key_thread", None)
        if reader is not None and reader.is_alive() and driver._auto_restart:
            driver.suspend_application_mode()
        set_up(signal.SIGCONT, None)
        repaint()

    def on_sigcont(*_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the app is ending
            loop.call_soon_threadsafe(resume)

    signal.signal(signal.SIGCONT, on_sigcont)


def suspend_to_shell(driver: Any) -> None:
    """Restore the terminal, then stop the whole process group, `make` for example included; SIGCONT resumes it.

    The terminal comes first: the shell uses it as soon as the group is stopped.
    """
    driver.suspend_application_mode()
    os.killpg(os.getpgrp(), signal.SIGSTOP)


def has_shell() -> bool:
    """Return whether a shell waits that can run something else meanwhile: the session's leader leads another process group."""
    return os.getsid(0) != os.getpgrp()
