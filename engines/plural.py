"""Counts with their nouns, for texts on screen."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """Return the count with its noun: "1 run", "1,234 runs"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
