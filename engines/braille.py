"""Decide whether a terminal can show braille characters, which the charts are drawn with."""

from __future__ import annotations


def has_braille(term: str) -> bool | None:
    """Return whether the terminal that TERM names can show braille; None where that depends on its configured fonts.

    The Linux console has at most 512 characters (console_codes(4)); urxvt and mlterm use only the fonts in their configuration.
    """
    if term.partition("-")[0] in ("linux", "vt100", "vt220"):
        return False
    return None if term.startswith(("rxvt", "mlterm")) else True
