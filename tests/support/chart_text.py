"""Drawn charts as plain text."""

from __future__ import annotations

from tui.charts.braille import Row


def chart_lines(rows: list[Row]) -> list[str]:
    """Return the text of each row, without its roles."""
    return ["".join(text for text, _ in row) for row in rows]
