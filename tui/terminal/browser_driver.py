"""Textual's driver of a browser, which ends the app when the server between them is gone."""

from __future__ import annotations

import contextlib
import os
import signal
from functools import partial
from typing import Any

from textual.app import App
from textual.drivers.web_driver import WebDriver


class BrowserDriver(WebDriver):
    """Speaks to textual-serve through the pipes of stdin and stdout; a pipe that is closed is a hang-up.

    Textual would train on for nobody, or fail in the midst of its own end.
    """

    def __init__(
        self, app: App[Any], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._write = partial(_write_if_read, self.fileno)

    def run_input_thread(self) -> None:
        """Read until the app leaves, or nobody writes any more."""
        super().run_input_thread()
        if not self.exit_event.is_set():
            os.kill(os.getpid(), signal.SIGHUP)


def _write_if_read(descriptor: int, data: bytes) -> int:
    with contextlib.suppress(BrokenPipeError):
        return os.write(descriptor, data)
    return 0
