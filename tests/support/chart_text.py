"""Drawn charts as plain text."""

from __future__ import annotations


def line_of(rows: list[list[tuple[str, str]]]) -> list[str]:
    """A drawing's text."""
    return ["".join(text for text, _ in row) for row in rows]
