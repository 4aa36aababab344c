from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tui.screencast.glyphs import shape

SIZES = [(8, 16), (9, 18), (6, 13)]
SHAPES = [chr(code) for first, last in ((0x2500, 0x259F), (0x2801, 0x28FF)) for code in range(first, last + 1)]


def pixels(character: str, width: int = 8, height: int = 16) -> list[str]:
    """Return a cell's rows, with # where it is covered."""
    mask = shape(character, width, height)
    assert mask is not None
    return ["".join("#" if covered > 0.5 else "." for covered in row) for row in mask]


def covered(character: str) -> tuple[slice, slice]:
    """Return the rows and columns of the rectangle that a character covers, and check that it is one."""
    mask = shape(character, 8, 16)
    assert mask is not None
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    rectangle = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    assert (mask[rectangle] == 1).all()
    return rectangle


@pytest.mark.parametrize(
    ("dot", "x", "y"),
    [("⠁", 1, 1), ("⠂", 1, 5), ("⠄", 1, 9), ("⡀", 1, 13), ("⠈", 5, 1), ("⠐", 5, 5), ("⠠", 5, 9), ("⢀", 5, 13)],
)
def test_each_braille_dot_is_at_its_place(dot: str, x: int, y: int) -> None:
    assert covered(dot) == (slice(y, y + 2), slice(x, x + 2))


def test_braille_dots_of_neighbours_are_evenly_spaced() -> None:
    """Two full cells beside each other, and two above each other."""
    mask = shape("⣿", 8, 16)
    assert mask is not None
    for axis in (0, 1):
        line: Any = np.concatenate([mask, mask], axis=axis).any(axis=1 - axis)
        starts = [i for i, (before, here) in enumerate(pairwise([False, *line])) if here and not before]
        assert {b - a for a, b in pairwise(starts)} == {4}


@pytest.mark.parametrize(
    ("block", "rows", "columns"),
    [
        ("▀", (0, 8), (0, 8)), ("▄", (8, 16), (0, 8)), ("█", (0, 16), (0, 8)), ("▌", (0, 16), (0, 4)), ("▐", (0, 16), (4, 8)),
        ("▁", (14, 16), (0, 8)), ("▃", (10, 16), (0, 8)), ("▇", (2, 16), (0, 8)), ("▔", (0, 2), (0, 8)), ("▕", (0, 16), (7, 8)),
        ("▏", (0, 16), (0, 1)), ("▍", (0, 16), (0, 3)), ("▉", (0, 16), (0, 7)), ("▊", (0, 16), (0, 6)), ("▎", (0, 16), (0, 2)),
        ("▘", (0, 8), (0, 4)), ("▗", (8, 16), (4, 8)),
    ],
)  # fmt: skip
def test_blocks_are_exact(block: str, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    assert covered(block) == (slice(*rows), slice(*columns))


def test_shades_are_even() -> None:
    means = []
    for character in "░▒▓█":
        mask = shape(character, 8, 16)
        assert mask is not None
        means.append(float(mask.mean()))
    assert means == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize("pair", ["──", "╭╮", "├┤", "╰┐", "━┫", "╔═", "═╗", "╚╩", "╠╣"])
def test_lines_go_on_in_the_next_cell(pair: str) -> None:
    left, right = pixels(pair[0]), pixels(pair[1])
    assert [row[-1] for row in left] == [row[0] for row in right]
    assert any(row[-1] == "#" for row in left)


@pytest.mark.parametrize("pair", ["││", "╭│", "│╰", "┃┃", "╔║", "║╚", "┬│", "║╩"])
def test_lines_go_on_in_the_cell_below(pair: str) -> None:
    above, below = pixels(pair[0]), pixels(pair[1])
    assert above[-1] == below[0]
    assert "#" in above[-1]


def test_corners_of_double_lines() -> None:
    assert pixels("╔")[5:11] == ["........", "..######", "..#.....", "..#.####", "..#.#...", "..#.#..."]
    assert pixels("╓")[5:9] == ["........", "........", "..######", "..#.#..."]


@pytest.mark.parametrize("size", SIZES)
def test_every_shape_differs_from_the_others(size: tuple[int, int]) -> None:
    masks: dict[bytes, str] = {}
    for character in SHAPES:
        mask = shape(character, *size)
        assert mask is not None
        assert mask.shape == size[::-1]
        assert 0 <= mask.min() <= mask.max() <= 1, character
        assert mask.any(), character
        other = masks.setdefault(mask.tobytes(), character)
        assert other == character or size != SIZES[0], f"{other} looks like {character}"


def test_letters_need_a_font() -> None:
    assert [shape(character, 8, 16) for character in "aé中●→"] == [None] * 5
