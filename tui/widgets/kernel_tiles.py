"""The first layer's filters of one engine, as tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical

from engines.api import TITLES
from tui.widgets.pixel_image import PixelImage
from tui.widgets.text_line import TextLine

PER_ROW = (16, 11, 8, 6, 5, 4)
LARGEST = 6
GROUND = 40
"""The grey of the most negative weight: above 0, so that tiles stand out from the gaps between them."""


class Filters(Vertical):
    """Ink is positive, paper is negative; each engine by its own largest weight."""

    DEFAULT_CSS = "Filters { width: 1fr; height: auto; padding: 0 1; }"

    def __init__(self, engine: str) -> None:
        super().__init__(id=f"filters-{engine}")
        self.engine = engine

    def compose(self) -> ComposeResult:
        """Two lines, and the tiles."""
        yield TextLine(id="heading")
        yield TextLine(id="legend")
        yield PixelImage(1, 1, id="tiles")

    def show(self, kernel: Any, steps: int, problem: str, color: str, rows: int) -> None:
        """A kernel (3, 3, 1, n) as it was after so many steps, in so many rows of the screen; or why there is none."""
        title = TITLES.get(self.engine, self.engine)
        said = f"{title}: {problem}" if problem else f"{title} after step {steps:,}"
        self.query_one("#heading", TextLine).set_text(Text(said, style=f"bold {color}"))
        ink, paper = ("light", "dark") if self.app.current_theme.dark else ("dark", "light")
        legend = "" if kernel is None else f"first layer: {ink} +, {paper} -"
        self.query_one("#legend", TextLine).set_text(Text(legend, style="dim"))
        tiles = self.query_one("#tiles", PixelImage)
        tiles.display = kernel is not None
        if kernel is not None:
            per_row, scale = best_grid(kernel.shape[-1], self.size.width - 2, 2 * rows)
            tiles.enlarge(scale)
            tiles.show(tiled(kernel, per_row))


def best_grid(count: int, width: int, half_rows: int) -> tuple[int, int]:
    """(tiles in a row, scale): as large as fits into so many columns and half rows."""

    def scale(per_row: int) -> int:
        across, down = 4 * per_row - 1, 4 * -(-count // per_row) - 1
        return min(width // across, half_rows // down, LARGEST)

    best = max(PER_ROW, key=scale)
    return best, max(scale(best), 1)


def tiled(kernel: Any, per_row: int) -> Any:
    """The filters as one grey image, with gaps of a pixel."""
    count = kernel.shape[-1]
    most = float(np.abs(kernel).max()) or 1.0
    grey = GROUND + (255 - GROUND) * (kernel[:, :, 0, :] / most + 1) / 2
    image = np.zeros((4 * -(-count // per_row) - 1, 4 * per_row - 1), np.uint8)
    for i in range(count):
        y, x = 4 * (i // per_row), 4 * (i % per_row)
        image[y : y + 3, x : x + 3] = np.rint(grey[:, :, i])
    return image
