"""Textual's driver for a terminal, with one source for the size, flow control, a repaint, a title, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from typing import Any

from textual import events
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from tui.terminal import display, osc, tty_state
from tui.terminal.flow_control import FlowControl

QUERY = "\x1b[6n"
"""Queries the cursor's position (DSR 6): every terminal knows it, and Textual reads the answer as one event, never as keys."""
_RESET = "\x1b[0m\x1b(B\x1b[r"
"""Undoes what a stray program may have changed: resets colours, the character set and the scrolling region."""
POLL_SECONDS = 0.01


class TerminalDriver(LinuxDriver):
    """Draws on the terminal of stderr.

    It queries the terminal after each frame, and hides the answers from the app and from the shell. Textual reads the size from two
    sources, which disagree when stdout is a file or the terminal has 0 rows; this driver uses one.
    """

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size or display.size())
        self.is_showing = False
        """True while the app's screen is on the terminal."""
        self.flow = FlowControl()
        self._unconfirmed = False
        """True when something was written since the last query."""
        self._title = ""
        """The window's title that the app has set; empty while the terminal has its own."""

    def start_application_mode(self) -> None:
        """Switch the terminal to the app's screen."""
        self.is_showing = True
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._is_reading:  # false when another job has the terminal
            self._probe()
            self._install_sigwinch(asyncio.get_running_loop())

    def _install_sigwinch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let SIGWINCH without a new size repaint the screen: a program that attaches another terminal asks for it this way."""
        resize = signal.getsignal(signal.SIGWINCH)

        def on_sigwinch(number: int, frame: Any) -> None:
            if self._in_band_window_resize or display.size() != self._app.size:
                assert callable(resize)
                resize(number, frame)
            else:
                loop.call_soon_threadsafe(self.repaint)

        signal.signal(signal.SIGWINCH, on_sigwinch)

    def stop_application_mode(self) -> None:
        """Restore the terminal and clear it, at the end and on ctrl+z.

        GNU screen and mosh have no alternate screen that would hide the app's.
        """
        self.disable_input()  # this may wait, so it comes before the screen is cleared
        if self._title:
            self._title = ""
            self.write(osc.RESTORE_TITLE)
        self.write(tty_state.CLEAR)
        super().stop_application_mode()
        self.is_showing = False

    def set_title(self, text: str) -> bool:
        """Set the title of the window where it has one; return whether that changed it. The first one saves the window's own."""
        if text == self._title or not (self.is_showing and self._is_reading and osc.is_known()):
            return False
        saving, self._title = "" if self._title else osc.SAVE_TITLE, text
        self.write(saving + osc.title(text))
        return True

    def send_notice(self, kind: str, text: str) -> None:
        """Ring the bell, or send a notice to the desktop if the terminal knows how."""
        if self.is_showing and self._is_reading and (kind == osc.BELL or osc.is_known()):
            self.write(osc.notice(kind, text))

    def _get_terminal_size(self) -> tuple[int, int]:
        return display.size()

    def write(self, data: str) -> None:
        self._unconfirmed = True
        super().write(data)

    def query(self) -> None:
        """Send a query after a frame that wrote something, if the terminal answers queries."""
        if self._unconfirmed and self.flow.answers:
            self._query()

    def _query(self) -> None:
        self.flow.record_query()
        self.write(QUERY)
        self._unconfirmed = False

    def _probe(self) -> None:
        """Send the first query, if input and output are the same terminal: else another program would read the answer."""
        with contextlib.suppress(OSError, ValueError):
            if self.input_tty and self._file and os.path.sameopenfile(self.fileno, self._file.fileno()):
                self._query()

    @property
    def _is_reading(self) -> bool:
        """True while the input thread reads the terminal: the app has it, and it is not hung up."""
        return self._key_thread is not None and self._key_thread.is_alive()

    def process_message(self, message: Message) -> None:
        """Remove the answers from the input, in the thread that reads it."""
        if isinstance(message, events.CursorPosition):
            self.flow.record_answer()
        else:
            super().process_message(message)

    def disable_input(self) -> None:
        """Wait for an outstanding answer, which the shell would take for typed keys, then stop reading."""
        since = time.monotonic()
        while self._is_reading and not self.flow.may_release(since):
            time.sleep(POLL_SECONDS)  # not a lock: a signal handler may have called this at any point
        self.flow = FlowControl()  # sends no more queries
        super().disable_input()

    def repaint(self) -> None:
        """Set the terminal up again and send all of the screen: another program wrote on it, or it is another terminal now."""
        if not self.is_showing:
            return
        self.write(f"\x1b[?1049h\x1b[?25l\x1b[?1004h{_RESET}\x1b[2J")
        self._enable_mouse_support()
        self._enable_bracketed_paste()
        self._disable_line_wrap()
        self._in_band_window_resize = False  # until the terminal confirms it again
        self._query_in_band_window_resize()
        if self._title:
            self.write(osc.title(self._title))
        self._probe()
        self._app.refresh()
