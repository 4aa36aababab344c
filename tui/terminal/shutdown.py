"""How the app is left: in time, whatever hangs, with the terminal given back and no process behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Any

from tui.terminal import tty_state

CLOSE_SECONDS = 3.5
"""So long the workers have to write what they have, before they are killed."""
CUT_OFF_SECONDS = 4.5
"""Leaving takes no longer than this, whatever hangs."""
KILLED_SECONDS = 0.3
"""A killed process is gone by then, or hangs in the kernel."""


class Shutdown:
    """Hears the signals that end the app, and ends the process itself when the app does not come to it."""

    def __init__(self, close: Callable[[float], object], shows: Callable[[], bool] = lambda: False) -> None:
        self._close = close
        """Ends the workers within so many seconds."""
        self._shows = shows
        """Whether the app's picture is on the terminal."""
        self._terminal = tty_state.save()
        self._owns_process = False
        self._timer: threading.Timer | None = None
        self._heard = False
        self._before: dict[int, Any] = {}
        """What signals did before we heard them."""
        self._borrower: subprocess.Popen[bytes] | None = None
        self._ending = threading.Lock()
        """Held by the thread that ends the process, and never released: the other one waits here until the process is gone."""

    def own_process(self) -> None:
        """The process ends with the app, so it may be cut off, and its signals stay ours to the end."""
        self._owns_process = True

    def install_handlers(self, leave: Callable[[int], object]) -> None:
        """SIGTERM, SIGHUP and SIGINT call `leave`, in the midst of whatever the main thread does, with their exit code.

        asyncio's own way would not do: it hears nothing while the loop stands still, in a write that nobody reads.
        """

        def heard(number: int, _: object) -> None:
            self._heard = True
            # The kernel sends SIGCONT after SIGHUP, and Textual would take the terminal, which is gone, once more.
            signal.signal(signal.SIGCONT, lambda *_: None)
            self.start_deadline(128 + number)
            self._reclaim_tty()
            leave(128 + number)

        self._before = {
            number: signal.signal(number, heard) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        }

    def unhear(self) -> None:
        """Signals do what they did before, unless the process ends with the app."""
        if not self._owns_process:
            for number, handler in self._before.items():
                signal.signal(number, handler)

    def start_deadline(self, code: int) -> None:
        """If the process is ours: end the workers now, so that they can save, and cut it off after CUT_OFF_SECONDS."""
        if self._owns_process and self._timer is None:
            self._timer = threading.Timer(CUT_OFF_SECONDS, self.cut_off, (code,))
            self._timer.daemon = True
            self._timer.start()
            threading.Thread(target=self._close, args=(CLOSE_SECONDS,), daemon=True).start()

    def finish(self) -> None:
        """The app has ended: so do the workers, if they have not yet."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one ctrl+c too many must not cut the leaving off
        self._close(CLOSE_SECONDS)
        self.disarm()

    def disarm(self) -> None:
        """The end came in time."""
        self._ending.acquire()
        if self._timer is not None:
            self._timer.cancel()

    def cut_off(self, code: int) -> None:
        """End the process here and now: its workers first, then whoever has the terminal, which is then as it was."""
        self._ending.acquire()
        try:
            self._close(0.0)
            borrower = self._borrower
            if borrower is not None:
                borrower.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    borrower.wait(KILLED_SECONDS)
            if self._terminal is not None:
                keys, screen = tty_state.detach()
                tty_state.restore(self._terminal, keys, screen, clear=borrower is not None or self._shows())
        finally:
            os._exit(code)

    def run_foreground(self, command: Sequence[str]) -> None:
        """Wait for a program that has the terminal meanwhile; a signal to us ends it first."""
        self._borrower = subprocess.Popen(command)
        try:
            if self._heard:  # while it was being started
                self._reclaim_tty()
            self._borrower.wait()
        finally:
            with self._ending:  # once we are cut off, the terminal is not ours to take back
                self._borrower = None

    def _reclaim_tty(self) -> None:
        """Ask whoever has the terminal to give it back."""
        if self._borrower is not None:
            self._borrower.terminate()
