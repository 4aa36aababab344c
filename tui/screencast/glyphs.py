"""Characters that are shapes and not letters, drawn without a font: braille, blocks, shades and lines."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Any

import numpy as np

Mask = Any
"""The share of each pixel of a cell that a character covers, 0 to 1, shape (height, width)."""

_BRAILLE_DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""Column and row of the dot that each bit of a braille character stands for (Unicode, block U+2800)."""
_SHADES = {"░": 0.25, "▒": 0.5, "▓": 0.75}
_WEIGHTS = {"LIGHT": "light", "HEAVY": "heavy", "SINGLE": "light", "DOUBLE": "double"}
_ARMS = {
    "UP": ("up",), "DOWN": ("down",), "LEFT": ("left",), "RIGHT": ("right",),
    "HORIZONTAL": ("left", "right"), "VERTICAL": ("up", "down"),
}  # fmt: skip
_DASH = re.compile("(DOUBLE|TRIPLE|QUADRUPLE) DASH ")
_DASHES = {"DOUBLE": 2, "TRIPLE": 3, "QUADRUPLE": 4}


@lru_cache(maxsize=1024)
def shape(character: str, width: int, height: int) -> Mask | None:
    """Return what the character covers of a cell of that many pixels; None for a character that needs a font."""
    code = ord(character)
    if 0x2800 <= code <= 0x28FF:
        return _braille(code - 0x2800, width, height)
    if 0x2580 <= code <= 0x259F:
        return _block(character, width, height)
    if 0x2500 <= code <= 0x257F:
        return _lines(unicodedata.name(character).removeprefix("BOX DRAWINGS "), width, height)
    return None


def _braille(dots: int, width: int, height: int) -> Mask:
    mask = np.zeros((height, width))
    size = max(round(width / 4), 1)
    for bit, (column, row) in enumerate(_BRAILLE_DOTS):
        if dots >> bit & 1:
            x, y = (2 * column + 1) * width / 4 - size / 2, (2 * row + 1) * height / 8 - size / 2
            mask[round(y) : round(y) + size, round(x) : round(x) + size] = 1
    return mask


def _block(character: str, width: int, height: int) -> Mask:
    mask = np.zeros((height, width))
    name = unicodedata.name(character)
    if character in _SHADES:
        mask[:] = _SHADES[character]
    elif name.startswith("QUADRANT"):
        middle_x, middle_y = round(width / 2), round(height / 2)
        for quarter in name.removeprefix("QUADRANT ").split(" AND "):
            rows = slice(0, middle_y) if "UPPER" in quarter else slice(middle_y, None)
            columns = slice(0, middle_x) if "LEFT" in quarter else slice(middle_x, None)
            mask[rows, columns] = 1
    else:
        side, share = name.split()[0], _share(name)
        x, y = round(width * share), round(height * share)
        rows, columns = slice(None), slice(None)
        if side in ("UPPER", "LOWER"):
            rows = slice(0, y) if side == "UPPER" else slice(height - y, None)
        elif side in ("LEFT", "RIGHT"):
            columns = slice(0, x) if side == "LEFT" else slice(width - x, None)
        mask[rows, columns] = 1
    return mask


def _share(name: str) -> float:
    """Return the part of the cell that a block's name states: "LOWER THREE EIGHTHS BLOCK"."""
    for word, share in (
        ("SEVEN", 7),
        ("FIVE", 5),
        ("THREE QUARTERS", 6),
        ("THREE", 3),
        ("QUARTER", 2),
        ("HALF", 4),
        ("EIGHTH", 1),
    ):
        if word in name:
            return share / 8
    return 1.0


def _lines(name: str, width: int, height: int) -> Mask:
    thick = max(round(width / 8), 1)
    if "DIAGONAL" in name:
        return _diagonals(name, width, height, thick)
    arms = _arms(_DASH.sub("", name))
    mask = np.zeros((height, width))
    _draw_arms(mask, arms["up"], arms["down"], arms["left"], arms["right"], thick)
    _draw_arms(
        mask.T, arms["left"], arms["right"], arms["up"], arms["down"], thick
    )  # the same rule for the other direction
    if "ARC" in name:
        return _arc(arms, width, height, thick)
    if dash := _DASH.search(name):
        count, along = _DASHES[dash[1]], mask if "HORIZONTAL" in name else mask.T
        length = along.shape[1]
        along[:, np.arange(length) * count % length >= length - max(0.3 * length, count)] = 0
    return mask


def _arms(name: str) -> dict[str, str]:
    """Return the weight of each arm by the name of a line: "DOWN LIGHT AND RIGHT HEAVY", "LIGHT DOWN AND RIGHT"."""
    arms = dict.fromkeys(("up", "down", "left", "right"), "")
    weight = ""
    for part in name.split(" AND "):
        words = part.split()
        weight = next((_WEIGHTS[word] for word in words if word in _WEIGHTS), weight)
        for word in words:
            arms.update(dict.fromkeys(_ARMS.get(word, ()), weight))
    return arms


def _draw_arms(mask: Mask, up: str, down: str, left: str, right: str, thick: int) -> None:
    """Draw the arms that go up and down; those to the left and right decide how far they reach."""
    height, width = mask.shape
    across, middle = (width - thick) // 2, (height - thick) // 2
    columns = {
        "light": ((0, across, across + thick),),
        "heavy": ((0, across - thick, across + 2 * thick),),
        "double": ((-1, across - thick, across), (1, across + thick, across + 2 * thick)),
    }
    top, bottom = middle, middle + thick
    if "heavy" in (left, right):
        top, bottom = middle - thick, middle + 2 * thick
    for arm in ("up", "down"):
        for side, start, end in columns.get(up if arm == "up" else down, ()):
            low, high = top, bottom
            if "double" in (
                left,
                right,
            ):  # up to the nearer of its lines where it goes on at that side, else to the other
                meets = [left] if side < 0 else [right] if side > 0 else [left, right]
                near = all(weight == "double" for weight in meets)
                low, high = (middle + thick, middle) if near else (middle - thick, middle + 2 * thick)
            mask[slice(0, high) if arm == "up" else slice(low, None), start:end] = 1


def _arc(arms: dict[str, str], width: int, height: int, thick: int) -> Mask:
    """Draw a quarter of a circle between the middles of two sides, and a straight line to the farther one."""
    x, y = (width - thick) // 2 + thick / 2, (height - thick) // 2 + thick / 2
    radius = min(x, y)
    centre_x, centre_y = x + radius * (1 if arms["right"] else -1), y + radius * (1 if arms["down"] else -1)
    columns, rows = np.arange(width) + 0.5, (np.arange(height) + 0.5)[:, np.newaxis]
    distance = np.abs(np.hypot(columns - centre_x, rows - centre_y) - radius)
    beside_x = (columns <= centre_x) if arms["right"] else (columns >= centre_x)
    beside_y = (rows <= centre_y) if arms["down"] else (rows >= centre_y)
    mask = np.where(beside_x & beside_y, np.clip(0.5 + thick / 2 - distance, 0, 1), 0)
    straight_x = np.abs(columns - x) < thick / 2
    straight_y = np.abs(rows - y) < thick / 2
    return np.maximum(mask, (straight_x & ~beside_y) | (straight_y & ~beside_x))


def _diagonals(name: str, width: int, height: int, thick: int) -> Mask:
    columns, rows = (np.arange(width) + 0.5) / width, ((np.arange(height) + 0.5) / height)[:, np.newaxis]
    scale = width * height / np.hypot(width, height)  # from the share of a cell to the distance in pixels
    rising, falling = np.abs(1 - columns - rows) * scale, np.abs(columns - rows) * scale
    distance = (
        rising if "UPPER RIGHT TO" in name else falling if "UPPER LEFT TO" in name else np.minimum(rising, falling)
    )
    return np.clip(0.5 + thick / 2 - distance, 0, 1)
