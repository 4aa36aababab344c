"""Sequences for what is around the terminal's screen: the title of its window, its bell, and the desktop's notifications.

Titles are OSC 2, saved and restored by XTWINOPS 22 and 23 (xterm, ctlseqs); notices are iTerm2's OSC 9 and urxvt's OSC 777.
"""

from __future__ import annotations

import os

from tui import formatting

APP = "mnist-tui"
"""The app's name, with which every title and notice begins."""
SAVE_TITLE = "\x1b[22;0t"
RESTORE_TITLE = "\x1b]2;\x07\x1b[23;0t"
"""Empties the title, then brings the saved one back: a terminal that saved none has its default."""
OFF, BELL, OSC9, OSC777 = NOTICES = ("off", "bell", "osc9", "osc777")
"""The kinds of a notice."""
MOST_CHARACTERS = 120
_WITH_OSC = (
    "alacritty", "contour", "foot", "ghostty", "gnome", "iterm", "kitty", "konsole", "mintty", "mlterm", "putty", "rxvt", "screen",
    "st-", "tmux", "vte", "wezterm", "xterm",
)  # fmt: skip
"""Starts of the names of terminals that know OSC sequences. Consoles and serial terminals would print their text."""


def is_known() -> bool:
    """Return whether the terminal takes an OSC sequence for one."""
    return os.environ.get("TERM", "").startswith(_WITH_OSC)


def title(text: str) -> str:
    """Return the sequence that sets the window's title."""
    return f"\x1b]2;{_clean(text)}\x07"


def notice(kind: str, text: str) -> str:
    """Return the sequence of a notice of this kind."""
    text = _clean(text.replace(";", ","))
    return {OFF: "", BELL: "\x07", OSC9: f"\x1b]9;{APP} {text}\x07", OSC777: f"\x1b]777;notify;{APP};{text}\x07"}[kind]


def _clean(text: str) -> str:
    return formatting.truncate(formatting.to_plain_text(text), MOST_CHARACTERS)
