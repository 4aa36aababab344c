"""The 3x3 kernels of the first layer as grey tiles: as they are, and beside them as they were."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.widgets import Static
from textual.worker import get_current_worker

from engines.api import TITLES, Filters, read_filters
from tui.widgets.pixel_image import PixelImage
from tui.widgets.text_line import TextLine

TILES_PER_ROW = (16, 11, 8, 6, 5, 4)
MAX_SCALE = 6
GAP = 2
"""Columns beside a grid."""
LOWEST_GREY = 40
"""Grey value of the most negative weight: above 0, so that tiles stand out from the gaps between them."""
MEANING = "A tile is a filter of the first layer: 3 x 3 weights that slide over the digit and answer where it looks like them."
NO_CHECKPOINT = "n/a: no checkpoint yet; one is written after each epoch"


class KernelTiles(Vertical):
    """The kernels of one engine: positive weights as ink, negative ones as paper, scaled by the largest weight."""

    DEFAULT_CSS = """
    KernelTiles {
        width: 1fr; height: auto; padding: 0 1;
        #grids { height: auto; }
        .kernels { width: auto; height: auto; margin-right: 2; }
    }
    """

    def __init__(self, engine: str) -> None:
        super().__init__(id=f"filters-{engine}")
        self.engine = engine

    def compose(self) -> ComposeResult:
        yield TextLine(id="heading")
        with Horizontal(id="grids"):
            for name in ("earlier", "now"):
                with Vertical(id=name, classes="kernels"):
                    yield TextLine(id=f"{name}-heading")
                    yield PixelImage(1, 1, id=f"{name}-tiles")

    def show(self, filters: Filters | None, problem: str, color: str, rows: int) -> None:
        """Show kernels and what they were, in `rows` rows; or the problem that hides them."""
        title = TITLES.get(self.engine, self.engine)
        text = Text(f"{title}: {problem}" if problem else title, style=f"bold {color}")
        self.query_one("#heading", TextLine).set_text(text)
        self.query_one("#grids").display = filters is not None
        if filters is None:
            return
        when = "epoch 1" if filters.after_first_epoch else "step 0"
        shown = {"earlier": (filters.earlier, when), "now": (filters.kernel, f"step {filters.global_step:,}")}
        count, width, half_rows = filters.kernel.shape[-1], self.size.width - 2, 2 * (rows - 2)
        layouts = {"horizontal": (width // 2 - GAP, half_rows), "vertical": (width, half_rows // 2 - 1)}
        layout = max(layouts, key=lambda one: best_grid(count, *layouts[one])[1])
        if filters.earlier is None or not best_grid(count, *layouts[layout])[1]:  # there is room for one grid at most
            shown["earlier"], layouts[layout] = (None, ""), (width, half_rows)
        self.query_one("#grids").styles.layout = layout
        kernels = [kernel for kernel, _ in shown.values() if kernel is not None]
        largest = max(float(np.abs(kernel).max()) for kernel in kernels)
        for name, (kernel, moment) in shown.items():
            self.query_one(f"#{name}").display = kernel is not None
            if kernel is not None:
                per_row, scale = best_grid(count, *layouts[layout])
                tiles = self.query_one(f"#{name}-tiles", PixelImage)
                tiles.set_scale(max(scale, 1))
                tiles.show(tile_image(kernel, per_row, largest))
                heading, columns = self.query_one(f"#{name}-heading", TextLine), (4 * per_row - 1) * max(scale, 1)
                heading.styles.width = columns
                after = f"after {moment}"
                heading.set_text(Text(after if len(after) <= columns else moment, style="dim"))


class FiltersView(Container):
    """The kernels of all engines, read from their newest checkpoints."""

    DEFAULT_CSS = """
    FiltersView {
        height: 100%;
        #meaning { height: auto; margin: 0 1; }
        #engines { height: 1fr; }
    }
    """

    def __init__(self, engines: list[str]) -> None:
        super().__init__(id="filters")
        self._engines = engines
        self._shown: dict[str, tuple[str, float]] = {}
        """The checkpoint that is shown, and the time it was written, by engine."""

    def compose(self) -> ComposeResult:
        yield Static(id="meaning")
        with Horizontal(id="engines"):
            for engine in self._engines:
                yield KernelTiles(engine)

    def show(
        self, checkpoints: Mapping[str, Path | None], colors: Mapping[str, str], missing: str, *, again: bool = False
    ) -> None:
        """Show the kernels of the checkpoints that are new; of all of them when they are to be shown `again`.

        `missing` says why there is no checkpoint, where there is none.
        """
        ink, paper = ("Light", "dark") if self.app.current_theme.dark else ("Dark", "light")
        legend = (f" {ink} weights are positive, {paper} ones negative.", "dim")
        self.query_one("#meaning", Static).update(Text.assemble(MEANING, legend))
        self._shown = {} if again else self._shown
        for panel in self.query(KernelTiles):
            path = checkpoints[panel.engine]
            try:
                version = (str(path), path.stat().st_mtime if path else 0.0)
            except (OSError, ValueError):  # the path in a recording may be no valid file name
                version = ("", 0.0)
            if self._shown.get(panel.engine) != version:
                self._shown[panel.engine] = version
                self._read(panel, version, colors[f"${panel.engine}"], missing)

    @work(thread=True, exit_on_error=False)
    def _read(self, panel: KernelTiles, version: tuple[str, float], color: str, missing: str) -> None:
        filters, problem, path = None, missing, Path(version[0])
        if version[1]:
            try:
                filters, problem = read_filters(path), ""
            except (OSError, ValueError) as error:
                problem = f"n/a: {path.name} can't be read: {error}"

        def show() -> None:
            if self._shown.get(panel.engine) == version:
                panel.show(filters, problem, color, self.query_one("#engines").size.height)

        def show_twice() -> None:
            show()
            self.call_after_refresh(show)  # the text above may just have got its height

        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(show_twice)


def best_grid(count: int, width: int, half_rows: int) -> tuple[int, int]:
    """Return (tiles in a row, scale) of the largest grid that fits into these columns and half rows.

    Where none does, the scale is 0, and a row fits if it can.
    """

    def scale(per_row: int) -> int:
        columns, rows = 4 * per_row - 1, 4 * -(-count // per_row) - 1
        return min(width // columns, half_rows // rows, MAX_SCALE)

    best = max(TILES_PER_ROW, key=lambda per_row: (scale(per_row), 4 * per_row - 1 <= width, count % per_row == 0))
    return best, scale(best)


def tile_image(kernel: Any, per_row: int, largest: float = 0.0) -> Any:
    """Draw the kernels as one grey image with gaps of a pixel, dtype uint8; `largest` is the weight of full ink, or their own."""
    count = kernel.shape[-1]
    largest = largest or float(np.abs(kernel).max()) or 1.0
    grey = np.nan_to_num(LOWEST_GREY + (255 - LOWEST_GREY) * (kernel[:, :, 0, :] / largest + 1) / 2, nan=255)
    image = np.zeros((4 * -(-count // per_row) - 1, 4 * per_row - 1), np.uint8)
    for i in range(count):
        y, x = 4 * (i // per_row), 4 * (i % per_row)
        image[y : y + 3, x : x + 3] = np.rint(grey[:, :, i])
    return image
