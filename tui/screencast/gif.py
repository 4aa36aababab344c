"""Write a screencast as an animated GIF: one palette for all frames, and of each frame only what has changed."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import GifImagePlugin, Image
from rich.cells import get_character_cell_size
from rich.color import Color
from rich.style import Style

from tui.screencast.cells import CONTINUATION, cells
from tui.screencast.fonts import Font
from tui.screencast.glyphs import shape
from tui.screencast.recorder import Row, Screencast

CELL = (8, 16)
"""Pixels of a cell: multiples of 2 by 4, so that braille dots are evenly spaced, and of 8, so that eighths of a block are exact."""
LEVELS = 8
"""Steps between background and ink at the edges of letters: few colours, which the palette then holds exactly."""
DIM = 0.4
"""The share of the way to its background by which dim text moves, as in Rich's exports."""
TRANSPARENT = 0
"""The colour of the palette that leaves a pixel as it is."""
MAX_DELAY = 65_535
"""The longest time of a frame, in hundredths of a second."""


def load_font(path: str = "") -> Font:
    """Return the font at that path, or one of this system. Raises ExportError."""
    return Font(*CELL, path)


def write(screencast: Screencast, path: Path, font: Font) -> None:
    """Write the GIF, which plays again and again. Raises OSError."""
    pictures = Pictures(screencast, font)
    width, height = (count * pixels for count, pixels in zip(screencast.size, CELL, strict=True))
    with path.open("wb") as file:
        file.write(struct.pack("<6sHHBBB", b"GIF89a", width, height, 0xF7, TRANSPARENT, 0))
        file.write(pictures.palette.tobytes())
        file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")  # repeat for ever
        before = None
        for index, delay in zip(range(len(screencast.frames)), delays(screencast), strict=True):
            picture = pictures.picture(index)
            for block in _encode(picture, before, delay):
                file.write(block)
            before = picture
        file.write(b";")


def delays(screencast: Screencast) -> Iterator[int]:
    """Yield how long each frame is shown, in hundredths of a second; the sum is the length of the film."""
    times = [round(100 * t) for t in (*(frame.t for frame in screencast.frames), screencast.seconds)]
    for start, end in pairwise(times):
        yield min(end - start, MAX_DELAY)


def _encode(picture: Any, before: Any | None, delay: int) -> list[bytes]:
    """Return the blocks of a frame: the rectangle around what has changed, in which unchanged pixels are transparent."""
    x = y = 0
    if before is not None:
        changed = picture != before
        rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
        y, x = (rows[0], columns[0]) if len(rows) else (0, 0)
        area = slice(y, rows[-1] + 1 if len(rows) else 1), slice(x, columns[-1] + 1 if len(columns) else 1)
        picture = np.where(changed, picture, TRANSPARENT)[area]
    image = Image.fromarray(picture)
    return GifImagePlugin.getdata(image, (int(x), int(y)), duration=10 * delay, disposal=1, transparency=TRANSPARENT)


class Pictures:
    """The frames of a screencast in pixels, as indexes of one palette."""

    def __init__(self, screencast: Screencast, font: Font) -> None:
        """Draw each different cell once."""
        self._font = font
        self._colors = screencast.colors
        self._tiles: list[Any] = []
        """The pixels of each different cell, shape (height, width, 3)."""
        self._numbers: dict[tuple[str, Style], int] = {}
        """The tile of each different character and style; those of a character's further cells follow."""
        rows: dict[int, Any] = {}
        grids = []
        for frame in screencast.frames:
            for row in frame.rows:
                if id(row) not in rows:
                    rows[id(row)] = self._tiles_of(row)
            grids.append(np.stack([rows[id(row)] for row in frame.rows]))
        self._grids = np.stack(grids)
        self.palette, self._indexes = _palette(np.stack(self._tiles), np.bincount(self._grids.ravel()))

    def picture(self, number: int) -> Any:
        """Return a frame as indexes of the palette, shape (height, width)."""
        return _joined(self._indexes[self._grids[number]])

    def _tiles_of(self, row: Row) -> Any:
        """Return the number of the tile of each cell of a row."""
        numbers: list[int] = []
        for text, style in cells(row):
            if text == CONTINUATION:
                numbers.append(numbers[-1] + 1)
            else:
                numbers.append(self._tile(text, style))
        return np.array(numbers)

    def _tile(self, text: str, style: Style) -> int:
        """Return the number of the tile of a character, drawn when it is first met."""
        if (text, style) not in self._numbers:
            self._numbers[text, style] = len(self._tiles)
            self._tiles += self._draw(text, style)
        return self._numbers[text, style]

    def _draw(self, text: str, style: Style) -> list[Any]:
        """Return the pixels of each cell of a character."""
        width, height = CELL
        count = get_character_cell_size(text[0])
        ink, ground = (
            np.array((color or Color.default()).get_truecolor(self._colors, foreground=is_ink), float)
            for color, is_ink in ((style.color, True), (style.bgcolor, False))
        )
        if style.reverse:
            ink, ground = ground, ink
        if style.dim:
            ink = ink + DIM * (ground - ink)
        mask = np.zeros((height, count * width))
        if not text.isspace() and not style.conceal:
            drawn = shape(text, *CELL) if len(text) == 1 else None
            mask = (
                self._font.draw(text, count, bold=bool(style.bold), italic=bool(style.italic))
                if drawn is None
                else drawn.copy()
            )
        for row, is_lined in (
            (-2, style.underline or style.underline2),
            (-4, style.underline2),
            (8, style.strike),
            (0, style.overline),
        ):
            if is_lined:
                mask[row] = 1
        mask = np.round(mask * LEVELS)[..., np.newaxis] / LEVELS
        pixels = np.round(ground + mask * (ink - ground)).astype(np.uint8)
        return [pixels[:, x : x + width] for x in range(0, count * width, width)]


def _joined(tiles: Any) -> Any:
    """Join tiles, shape (rows, columns, height, width), to one picture."""
    rows, columns, height, width = tiles.shape
    return tiles.swapaxes(1, 2).reshape(rows * height, columns * width)


def _palette(tiles: Any, counts: Any) -> tuple[Any, Any]:
    """Return up to 255 colours after TRANSPARENT, shape (256, 3), and the tiles as indexes of them.

    Where there are more, the next one is always that whose present substitute is the worst: by its squared distance and by the
    square root of its pixels, so that a rare but different colour counts, too. `counts` is how often each tile is used.
    """
    codes = tiles.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    found, inverse = np.unique(codes, return_inverse=True)
    weights = np.sqrt(np.bincount(inverse.ravel(), np.repeat(counts, codes[0].size)))
    colors = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1).astype(np.int64)
    palette = np.zeros((256, 3), np.uint8)
    indexes = np.zeros(len(found), np.uint8)
    errors = np.full(len(found), np.inf)
    for index in range(1, 256):
        worst = int(np.argmax(weights * errors if index > 1 else weights))
        if not errors[worst]:
            break
        palette[index] = colors[worst]
        distances = ((colors - colors[worst]) ** 2).sum(axis=1)
        nearer = distances < errors
        errors[nearer], indexes[nearer] = distances[nearer], index
    return palette, indexes[inverse].reshape(codes.shape)
