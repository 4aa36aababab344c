"""Describe an exception in a few plain words. Standard library only; for workers and the app."""

from __future__ import annotations

MAX_CHARACTERS = 300
"""Characters of a text; a library may put a whole report into its exception."""


def reason(error: BaseException) -> str:
    """Describe an error on one line: the system's text for an OSError, without number and file; otherwise its type and text."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, ImportError) and isinstance(
        error.__cause__, ImportError
    ):  # numpy's own text is general advice
        return reason(error.__cause__)
    text = str(error).strip().partition("\n")[0][:MAX_CHARACTERS]
    name = type(error).__name__
    return text if text and isinstance(error, OSError) else f"{name}: {text}" if text else name
