"""The maps of one layer in both networks, one strip above the other, and between them what differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical

from tui.charts.feature_maps import GAP, halve, highest, largest_size, maps_image
from tui.widgets.pixel_image import PixelImage
from tui.widgets.text_line import TextLine

LABEL_COLUMNS = 9
"""The columns of a strip's label and a blank."""
LEAST_MAPS = 3
"""Maps of a layer that fit side by side, if the size of their pixels allows it."""
DIFFERENCE = "difference"
LEAST_ROWS = 6
"""The rows in which halved maps are whole, but for the margin of the digit, which has a seventh."""


class LayerStrips(Vertical):
    """Two strips of maps, each with its engine's label, and the strip of their differences between them."""

    DEFAULT_CSS = """
    LayerStrips {
        height: 1fr; width: 1fr;
        .strip { height: auto; width: 100%; }
        .strip TextLine { width: 9; height: 100%; min-height: 6; }
    }
    """

    def __init__(self, engines: Sequence[str]) -> None:
        super().__init__()
        self._strips = (*engines[:1], DIFFERENCE, *engines[1:]) if len(engines) > 1 else tuple(engines)
        self.ascii_only = False

    def compose(self) -> ComposeResult:
        yield TextLine(id="numbers")
        for name in self._strips:
            with Horizontal(id=f"strip-{name}", classes=f"strip -{name}"):
                yield TextLine(id=f"label-{name}")
                yield PixelImage(1, 1, id=f"maps-{name}")

    def show(self, maps: Mapping[str, Any], labels: Mapping[str, Sequence[Text]], chosen: int) -> None:
        """Show maps (height, width, n) by engine, as many as fit, so that the chosen one is among them.

        All strips have one scale: full ink is the largest value of the maps that are shown, in the strip of differences, too.
        """
        shape = next((values.shape for values in maps.values()), (1, 1, 1))
        rows = (self.size.height - 1) // max(len(self._strips), 1)  # a recording of other engines has none
        columns = self.size.width - LABEL_COLUMNS
        size = largest_size(shape[0], shape[1], rows, columns // min(LEAST_MAPS, shape[2]))
        shown = {name: halve(values) if size < 1 else values for name, values in maps.items()}
        scale, width = max(int(size), 1), shape[1] // 2 if size < 1 else shape[1]
        visible = max((columns + GAP * scale) // ((width + GAP) * scale), 1)
        first = chosen // visible * visible
        shown = {name: values[:, :, first : first + visible] for name, values in shown.items()}
        largest = highest(shown.values())
        if len(shown) > 1:
            shown[DIFFERENCE] = np.abs(np.subtract(*shown.values()))
        for name in self._strips:
            self.query_one(f"#strip-{name}").styles.max_height = rows if rows >= LEAST_ROWS else None
            image = self.query_one(f"#maps-{name}", PixelImage)
            image.ascii_only = self.ascii_only
            image.set_scale(scale)
            image.show(maps_image(shown[name], largest) if name in shown else [[0]])
            self.query_one(f"#label-{name}", TextLine).set_text(*labels.get(name, ()))
        last = min(first + visible, shape[2])
        self._show_numbers(range(first, last) if shape[2] > 1 else range(0), chosen, (width + GAP) * scale)

    def _show_numbers(self, numbers: range, chosen: int, columns: int) -> None:
        """Write the number of each map above it, counted from 1; the chosen one stands out."""
        line = Text(" " * LABEL_COLUMNS)
        for i in numbers:
            text = f"[{i + 1}]" if i == chosen else f" {i + 1} "
            line.append(text, style="bold" if i == chosen else "dim")
            line.append(" " * (columns - len(text)))
        self.query_one("#numbers", TextLine).set_text(line)
