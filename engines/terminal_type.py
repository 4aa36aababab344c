"""Decide from its name, which is in TERM, what a terminal can show."""

from __future__ import annotations


def is_dumb(term: str) -> bool:
    """Return whether the terminal can't even rewrite a line; rich excludes the same two names."""
    return term.lower() in ("dumb", "unknown")


def has_braille(term: str) -> bool | None:
    """Return whether the terminal can show braille, which the charts are drawn in; None where its configured fonts decide.

    The Linux console has at most 512 characters (console_codes(4)); urxvt and mlterm use only the fonts in their configuration.
    """
    if term.partition("-")[0] in ("linux", "vt100", "vt220"):
        return False
    return None if term.startswith(("rxvt", "mlterm")) else True
