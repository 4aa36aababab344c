"""The display that the app draws on: a terminal, its size and whether it can draw a screen, or a browser."""

from __future__ import annotations

import contextlib
import os
import sys

from tui.cli.arguments import UsageError

TYPE_CHECKING = False  # as in tui.cli.main
if TYPE_CHECKING:
    from typing import TextIO

TERMINAL_DRIVER = "textual.drivers.linux_driver:LinuxDriver"
WEB_DRIVER = "textual.drivers.web_driver:WebDriver"
"""The driver that textual-serve names in TEXTUAL_DRIVER and talks to through pipes."""


def size() -> tuple[int, int]:
    """Return the columns and rows of the terminal that the app draws on.

    Serial consoles, and pseudo-terminals without a size, report 0: then COLUMNS and LINES count, or else 80 by 24.
    """
    import shutil

    columns = rows = 0
    for descriptor in (2, 0, 1):
        with contextlib.suppress(OSError):
            columns, rows = os.get_terminal_size(descriptor)
            break
    fallback = shutil.get_terminal_size()
    return columns or fallback.columns, rows or fallback.lines


def ignore_exported_size() -> None:
    """Unset COLUMNS and LINES where stdout is a terminal with a size of its own: docker, watch or an old shell exports others."""
    with contextlib.suppress(OSError):
        if all(os.get_terminal_size(1)):
            os.environ.pop("COLUMNS", None)
            os.environ.pop("LINES", None)


def can_rewrite(stream: TextIO) -> bool:
    """Return whether the stream is a terminal that can rewrite a line."""
    from engines.api import is_dumb

    return stream.isatty() and not is_dumb(os.environ.get("TERM", ""))


def in_browser() -> bool:
    """Return whether the app is drawn by textual-serve."""
    return os.environ.get("TEXTUAL_DRIVER") == WEB_DRIVER


def missing() -> str:
    """Return what the app lacks to draw a screen, or an empty string. Raises UsageError for an unknown driver."""
    if in_browser():
        return ""
    driver = os.environ.get("TEXTUAL_DRIVER", TERMINAL_DRIVER)
    if driver != TERMINAL_DRIVER:
        raise UsageError(f"TEXTUAL_DRIVER={driver} names no driver that mnist-tui can use. Unset it.")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return "a terminal"
    if not can_rewrite(sys.stderr):
        return f"a terminal that can do more than TERM={os.environ['TERM']} says"
    return ""
