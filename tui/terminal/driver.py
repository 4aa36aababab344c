"""Textual's driver for a terminal: one size, flow control, a repaint, and no dead picture left behind."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from textual import events
from textual.app import App
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from tui.terminal import display, tty_state
from tui.terminal.flow_control import FlowControl

QUERY = "\x1b[6n"
"""Asks for the cursor's position (DSR 6): every terminal knows it, and Textual reads the answer as one event, never as keys."""
_RESET = "\x1b[0m\x1b(B\x1b[r"
"""No colours, the ASCII character set, and the whole screen scrolls: what a stray program may have changed."""
POLL_SECONDS = 0.01


class TerminalDriver(LinuxDriver):
    """Draws on the terminal of stderr.

    It asks the terminal after each frame whether it has shown it, and keeps the answers from the app and from the shell. Textual
    asks two sources for the size, which disagree where stdout is a file or the terminal has 0 rows; here there is one.
    """

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size or display.size())
        self.shows = False
        """Whether the app's picture is on the terminal."""
        self.flow = FlowControl()
        self._unconfirmed = False
        """Whether something was written since the last query."""

    def start_application_mode(self) -> None:
        """Take the terminal."""
        self.shows = True
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._is_reading:  # else it is another job's now
            self._probe()

    def stop_application_mode(self) -> None:
        """Give the terminal back, cleared: GNU screen and mosh have no alternate screen that would hide the picture."""
        self.disable_input()  # which may take a moment, and comes first so that no empty screen is seen
        self.write(tty_state.CLEAR)
        super().stop_application_mode()
        self.shows = False

    def _get_terminal_size(self) -> tuple[int, int]:
        return display.size()

    def write(self, data: str) -> None:
        """Write to the terminal."""
        self._unconfirmed = True
        super().write(data)

    def query(self) -> None:
        """Follow a frame with a query, if the frame had anything to write and the terminal answers."""
        if self._unconfirmed and self.flow.answers:
            self._query()

    def _query(self) -> None:
        self.flow.record_query()
        self.write(QUERY)
        self._unconfirmed = False

    def _probe(self) -> None:
        """Find out whether the terminal answers; were it not the one that is read, the answer would reach whoever reads it."""
        with contextlib.suppress(OSError, ValueError):
            if self.input_tty and self._file and os.path.sameopenfile(self.fileno, self._file.fileno()):
                self._query()

    @property
    def _is_reading(self) -> bool:
        """Whether the terminal is ours, and not hung up."""
        return self._key_thread is not None and self._key_thread.is_alive()

    def process_message(self, message: Message) -> None:
        """Take the answers out of the input, in the thread that reads it."""
        if isinstance(message, events.CursorPosition):
            self.flow.record_answer()
        else:
            super().process_message(message)

    def disable_input(self) -> None:
        """Read no more, once an outstanding answer has come: the shell would get it as typed keys."""
        since = time.monotonic()
        while self._is_reading and not self.flow.may_leave(since):
            time.sleep(POLL_SECONDS)  # no lock: a signal may have brought us here in the midst of anything
        self.flow = FlowControl()  # nothing is asked any more
        super().disable_input()

    def clear(self) -> None:
        """Take the terminal once more and clear it: another program wrote on it, or another terminal is attached."""
        self.write(f"\x1b[?1049h\x1b[?25l\x1b[?1004h{_RESET}\x1b[2J")
        self._enable_mouse_support()
        self._enable_bracketed_paste()
        self._disable_line_wrap()
        self._in_band_window_resize = False  # until the terminal says so again
        self._query_in_band_window_resize()
        self._probe()
