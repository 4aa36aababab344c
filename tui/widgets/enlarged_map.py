"""One map of both networks, enlarged, and how one of its values comes about."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

import numpy as np
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from engines.api import TITLES, Activations
from tui.charts.feature_maps import highest, largest_size, maps_image, maps_of
from tui.widgets.kernel_tiles import tile_image
from tui.widgets.pixel_image import PixelImage
from tui.widgets.text_line import TextLine

ARITHMETIC_ROWS = 7
LEAST_ROWS = 4
"""Rows of a map that are shown above the arithmetic, however low the terminal."""
KERNEL_SCALE = 3
MEANINGS = {
    "conv2": "This value is the largest of four neighbours (the pool). Each of the four sums 288 products, of 3 x 3 places in all"
    " 32 maps of conv1, and a bias. What is negative becomes 0 (relu).",
    "saliency": "How much the winning logit would rise if this pixel turned from blank to full ink, at the rate that holds now.",
}


class EnlargedMap(Vertical):
    """The chosen map of each engine, with a marked position, its kernel, and that position's arithmetic."""

    DEFAULT_CSS = """
    EnlargedMap {
        height: 1fr; width: 1fr;
        .enlarged { width: 1fr; height: auto; }
        .enlarged Horizontal { height: auto; }
        .enlarged PixelImage { margin-right: 2; }
        .arithmetic { height: 7; }
    }
    """

    def __init__(self, engines: tuple[str, ...]) -> None:
        super().__init__()
        self._engines = engines
        self.ascii_only = False

    def compose(self) -> ComposeResult:
        with Horizontal():
            for engine in self._engines:
                with Vertical(classes=f"enlarged -{engine}"):
                    yield TextLine(id=f"enlarged-title-{engine}")
                    with Horizontal():
                        yield PixelImage(1, 1, id=f"enlarged-{engine}")
                        yield PixelImage(3, 3, id=f"kernel-{engine}", scale=KERNEL_SCALE)
                    yield TextLine(id=f"arithmetic-{engine}", classes="arithmetic")

    def show(
        self, layer: str, inside: Mapping[str, Activations], pixels: Any, chosen: int, position: tuple[int, int],
        colors: Mapping[str, str],
    ) -> None:  # fmt: skip
        """Show map `chosen` of a layer, marked at `position` (y, x); `pixels` are those of the digit, (28, 28), in 0..1."""
        largest = highest(maps_of(one, layer)[:, :, chosen] for one in inside.values())
        kernels = highest(np.abs(one.kernels[:, :, chosen % 32]) for one in inside.values())
        for engine in self._engines:
            title = TITLES.get(engine, engine)
            heading, lines = Text(f"{title}: n/a", style=f"bold {colors[f'${engine}']}"), []
            if engine in inside:
                maps = maps_of(inside[engine], layer)
                y, x = position
                value = maps[y, x, chosen]
                heading = Text(f"{title} · {layer} · map {chosen + 1}", style=f"bold {colors[f'${engine}']}")
                image = self.query_one(f"#enlarged-{engine}", PixelImage)
                columns = self.size.width // len(self._engines) - 3 * KERNEL_SCALE - 4
                rows = max(self.size.height - ARITHMETIC_ROWS - 1, LEAST_ROWS)
                size = largest_size(maps.shape[0], maps.shape[1], rows, columns)
                image.set_scale(max(int(size), 1))
                image.ascii_only = self.ascii_only
                top = max(min(y - rows, maps.shape[0] - 2 * rows), 0)  # where not all rows fit, those around the mark
                image.show(maps_image(maps[top : top + 2 * rows, :, chosen : chosen + 1], largest), (x, y - top))
                kernel = self.query_one(f"#kernel-{engine}", PixelImage)
                kernel.display, kernel.ascii_only = layer == "conv1", self.ascii_only
                lines = [f"row {y + 1}, column {x + 1}: {value:.4g}"]
                if layer == "conv1":
                    kernel.show(tile_image(inside[engine].kernels[:, :, None, chosen : chosen + 1], 1, kernels))
                    lines += convolution_lines(inside[engine], pixels, chosen, position)
                else:
                    lines += textwrap.wrap(MEANINGS[layer], max(self.size.width // len(self._engines) - 1, 20))
            self.query_one(f"#enlarged-title-{engine}", TextLine).set_text(heading)
            self.query_one(f"#arithmetic-{engine}", TextLine).set_text(*map(Text, lines))


def convolution_lines(inside: Activations, pixels: Any, chosen: int, position: tuple[int, int]) -> list[str]:
    """Return the nine products, pixel times weight, and what becomes of their sum."""
    y, x = position
    window, kernel = pixels[y : y + 3, x : x + 3], inside.kernels[:, :, chosen]
    rows = [
        "  ".join(f"{p:.2f}x{w:+.2f}" for p, w in zip(*pair, strict=True)) for pair in zip(window, kernel, strict=True)
    ]
    total, bias = float((window * kernel).sum()), float(inside.biases[chosen])
    answer = max(total + bias, 0.0)
    return [*rows, f"sum {total:+.4f}, bias {bias:+.4f}", f"together {total + bias:+.4f}, relu {answer:.4f}"]
