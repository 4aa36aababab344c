"""Drawn charts as plain text."""

from __future__ import annotations

from tui.charts.braille import Row


def chart_lines(rows: list[Row]) -> list[str]:
    """Return the text of each row, without its roles."""
    return ["".join(text for text, _ in row) for row in rows]


def parse_label(label: str) -> float:
    """Return the number that a reader sees in a label."""
    return float(label.rstrip("k%")) * (1000 if label.endswith("k") else 1)
