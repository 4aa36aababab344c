"""The cells of a recorded row, as both formats draw them."""

from __future__ import annotations

from rich.cells import get_character_cell_size
from rich.style import Style

from tui.screencast.recorder import Row

Cell = tuple[str, Style]
"""A character with its combining marks, and its style."""
CONTINUATION = ""
"""The text of the second cell of a wide character."""


def cells(row: Row) -> list[Cell]:
    """Return one entry for each column of a row."""
    columns: list[Cell] = []
    for text, style in row:
        for character in text:
            size = get_character_cell_size(character)
            if size:
                columns += [(character, style), *[(CONTINUATION, style)] * (size - 1)]
            elif columns:  # belongs to the character before it
                at = next(i for i in range(len(columns) - 1, -1, -1) if columns[i][0] != CONTINUATION)
                columns[at] = columns[at][0] + character, columns[at][1]
    return columns
