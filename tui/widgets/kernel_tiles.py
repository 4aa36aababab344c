"""One engine's first-layer kernels, drawn as tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical

from engines.api import TITLES
from tui.widgets.pixel_image import PixelImage
from tui.widgets.text_line import TextLine

TILES_PER_ROW = (16, 11, 8, 6, 5, 4)
MAX_SCALE = 6
LOWEST_GREY = 40
"""Grey value of the most negative weight: above 0, so that tiles stand out from the gaps between them."""


class KernelTiles(Vertical):
    """The kernels of one engine: positive weights as ink, negative ones as paper, scaled by the largest weight."""

    DEFAULT_CSS = "KernelTiles { width: 1fr; height: auto; padding: 0 1; }"

    def __init__(self, engine: str) -> None:
        super().__init__(id=f"filters-{engine}")
        self.engine = engine

    def compose(self) -> ComposeResult:
        yield TextLine(id="heading")
        yield TextLine(id="legend")
        yield PixelImage(1, 1, id="tiles")

    def show(self, kernel: Any, steps: int, problem: str, color: str, rows: int) -> None:
        """Show a kernel, shape (3, 3, 1, n), as it was after `steps` steps, in `rows` rows; or the problem that hides it."""
        title = TITLES.get(self.engine, self.engine)
        heading = f"{title}: {problem}" if problem else f"{title} after step {steps:,}"
        self.query_one("#heading", TextLine).set_text(Text(heading, style=f"bold {color}"))
        ink, paper = ("light", "dark") if self.app.current_theme.dark else ("dark", "light")
        legend = "" if kernel is None else f"first layer: {ink} +, {paper} -"
        self.query_one("#legend", TextLine).set_text(Text(legend, style="dim"))
        tiles = self.query_one("#tiles", PixelImage)
        tiles.display = kernel is not None
        if kernel is not None:
            per_row, scale = best_grid(kernel.shape[-1], self.size.width - 2, 2 * rows)
            tiles.set_scale(scale)
            tiles.show(tile_image(kernel, per_row))


def best_grid(count: int, width: int, half_rows: int) -> tuple[int, int]:
    """Return (tiles in a row, scale) of the largest grid that fits into these columns and half rows."""

    def scale(per_row: int) -> int:
        columns, rows = 4 * per_row - 1, 4 * -(-count // per_row) - 1
        return min(width // columns, half_rows // rows, MAX_SCALE)

    best = max(TILES_PER_ROW, key=scale)
    return best, max(scale(best), 1)


def tile_image(kernel: Any, per_row: int) -> Any:
    """Draw the kernels as one grey image with gaps of a pixel, dtype uint8."""
    count = kernel.shape[-1]
    largest = float(np.abs(kernel).max()) or 1.0
    grey = LOWEST_GREY + (255 - LOWEST_GREY) * (kernel[:, :, 0, :] / largest + 1) / 2
    image = np.zeros((4 * -(-count // per_row) - 1, 4 * per_row - 1), np.uint8)
    for i in range(count):
        y, x = 4 * (i // per_row), 4 * (i % per_row)
        image[y : y + 3, x : x + 3] = np.rint(grey[:, :, i])
    return image
