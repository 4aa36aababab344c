"""Counts with their nouns, for people."""

from __future__ import annotations


def plural(count: int, noun: str) -> str:
    """The count and its noun: "1 run", "1,234 runs"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
