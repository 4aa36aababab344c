"""End the app in time, whatever hangs, with the terminal restored and no process left behind."""

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
"""Seconds that the workers have to save before they are killed."""
DEADLINE_SECONDS = 4.5
"""Seconds until the process is ended by force, whatever hangs."""
KILL_WAIT_SECONDS = 0.3
"""Seconds to wait for a killed process; one that is still there then hangs in the kernel."""


class Shutdown:
    """Handles the signals that end the app, and ends the process by force when the app does not."""

    def __init__(self, close: Callable[[float], object], is_showing: Callable[[], bool] = lambda: False) -> None:
        self._close = close
        """Ends the workers within the given number of seconds."""
        self._is_showing = is_showing
        """Returns whether the app's screen is on the terminal."""
        self._tty_state = tty_state.save()
        self._owns_process = False
        self._timer: threading.Timer | None = None
        self._signalled = False
        self._previous_handlers: dict[int, Any] = {}
        self._foreground: subprocess.Popen[bytes] | None = None
        self._exit_lock = threading.Lock()
        """Held by the thread that ends the process, and never released: other threads wait here until the process is gone."""

    def own_process(self) -> None:
        """Let the process end with the app: it may be ended by force, and its signal handlers stay to the end."""
        self._owns_process = True

    def install_handlers(self, leave: Callable[[int], object]) -> None:
        """Let SIGTERM, SIGHUP and SIGINT call `leave` with their exit code, whatever the main thread is doing.

        asyncio's own handlers would not run while the loop is blocked, in a write to a terminal that does not read.
        """

        def on_signal(number: int, _: object) -> None:
            self._signalled = True
            # The kernel sends SIGCONT after SIGHUP, and Textual would set up the terminal again, which is gone.
            signal.signal(signal.SIGCONT, lambda *_: None)
            self.start_deadline(128 + number)
            self._reclaim_tty()
            leave(128 + number)

        self._previous_handlers = {
            number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
        }

    def restore_handlers(self) -> None:
        """Restore the previous signal handlers, unless the process ends with the app."""
        if not self._owns_process:
            for number, handler in self._previous_handlers.items():
                signal.signal(number, handler)

    def start_deadline(self, code: int) -> None:
        """If the process is ours, let the workers save and end, and end the process by force after DEADLINE_SECONDS."""
        if self._owns_process and self._timer is None:
            self._timer = threading.Timer(DEADLINE_SECONDS, self.force_exit, (code,))
            self._timer.daemon = True
            self._timer.start()
            threading.Thread(target=self._close, args=(CLOSE_SECONDS,), daemon=True).start()

    def finish(self) -> None:
        """End the workers after the app has ended, and cancel the deadline."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second ctrl+c must not interrupt this
        self._close(CLOSE_SECONDS)
        self.cancel_deadline()

    def cancel_deadline(self) -> None:
        """Cancel the deadline, because the process ends in time."""
        self._exit_lock.acquire()
        if self._timer is not None:
            self._timer.cancel()

    def force_exit(self, code: int) -> None:
        """End the process now: kill its workers, then the program in the foreground, and restore the terminal."""
        self._exit_lock.acquire()
        try:
            self._close(0.0)
            foreground = self._foreground
            if foreground is not None:
                foreground.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    foreground.wait(KILL_WAIT_SECONDS)
            if self._tty_state is not None:
                input_fd, output_fd = tty_state.detach()
                clear = foreground is not None or self._is_showing()
                tty_state.restore(self._tty_state, input_fd, output_fd, clear=clear)
        finally:
            os._exit(code)

    def run_foreground(self, command: Sequence[str]) -> None:
        """Run a program that uses the terminal, and wait for it; a signal to this process ends it first."""
        self._foreground = subprocess.Popen(command)
        try:
            if self._signalled:  # the signal came before the program was started
                self._reclaim_tty()
            self._foreground.wait()
        finally:
            with self._exit_lock:  # once the process is ended by force, the terminal must stay as it is
                self._foreground = None

    def _reclaim_tty(self) -> None:
        """End the program in the foreground, so that it restores the terminal."""
        if self._foreground is not None:
            self._foreground.terminate()
