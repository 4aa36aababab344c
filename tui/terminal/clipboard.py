"""The clipboard of the user's terminal, which may be on another machine."""

from __future__ import annotations

from typing import Any

from textual.app import App


def copy(app: App[Any], text: str, label: str, alternative: str) -> None:
    """Send a text to the terminal's clipboard (OSC 52) and notify the user: no terminal confirms that it was copied.

    `label` names the text, and `alternative` is a sentence that names another way to get it.
    """
    app.copy_to_clipboard(text)
    app.notify(f"{label} was sent to your terminal's clipboard (OSC 52). Nothing to paste? {alternative}", timeout=6)
