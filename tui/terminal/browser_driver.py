"""Textual's driver for a browser, which also ends the app when textual-serve is gone."""

from __future__ import annotations

import contextlib
import os
import signal
from functools import partial
from typing import Any

from textual.app import App
from textual.drivers.web_driver import WebDriver


class BrowserDriver(WebDriver):
    """Talks to textual-serve through the pipes of stdin and stdout; a closed pipe sends SIGHUP to the app.

    Textual's own driver would let the app train on without a viewer, or fail while it closes.
    """

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._write = partial(_write_unless_closed, self.fileno)

    def run_input_thread(self) -> None:
        """Read until the app exits or the server closes the pipe."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            os.kill(os.getpid(), signal.SIGHUP)


def _write_unless_closed(descriptor: int, data: bytes) -> int:
    with contextlib.suppress(BrokenPipeError):
        return os.write(descriptor, data)
    return 0
