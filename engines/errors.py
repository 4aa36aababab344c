"""Describe an exception in a few plain words. Standard library only; for workers and the app."""

from __future__ import annotations

LONGEST = 300
"""Characters: a library may put a whole report into its exception."""


def reason(error: BaseException) -> str:
    """Say why, on one line: what the system says of an OSError, without its number and its file; else the type and the text."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    first = str(error).strip().partition("\n")[0][:LONGEST]
    name = type(error).__name__
    return first if first and isinstance(error, OSError) else f"{name}: {first}" if first else name
