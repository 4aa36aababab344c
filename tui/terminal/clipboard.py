"""The clipboard of the user's terminal, which may be on another machine."""

from __future__ import annotations

from typing import Any

from textual.app import App


def copy(app: App[Any], text: str, what: str, otherwise: str) -> None:
    """Send a text to the terminal's clipboard (OSC 52), and say so: no terminal answers whether it has taken it.

    `what` names the text, and `otherwise` is a sentence that says where else it can be had.
    """
    app.copy_to_clipboard(text)
    app.notify(f"{what} was sent to your terminal's clipboard (OSC 52). Nothing to paste? {otherwise}", timeout=6)
