"""Textual's driver of a terminal, which goes by the terminal's own size and leaves no dead picture behind."""

from __future__ import annotations

from typing import Any

from textual.app import App
from textual.drivers.linux_driver import LinuxDriver

from tui import display, terminal


class TerminalDriver(LinuxDriver):
    """Draws on the terminal of stderr.

    Textual asks two sources for the size, which disagree where stdout is a file or the terminal has 0 rows; here there is one.
    """

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size or display.size())
        self.shows = False
        """Whether the app's picture is on the terminal."""

    def _get_terminal_size(self) -> tuple[int, int]:
        return display.size()

    def start_application_mode(self) -> None:
        """Take the terminal."""
        self.shows = True
        super().start_application_mode()  # type: ignore[no-untyped-call]  # Textual's

    def stop_application_mode(self) -> None:
        """Give the terminal back, cleared: GNU screen and mosh have no alternate screen that would hide the picture."""
        self.disable_input()  # which may take a moment, and comes first so that no empty screen is seen
        self.write(terminal.CLEAR)
        super().stop_application_mode()
        self.shows = False
