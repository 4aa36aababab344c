"""Grey images in half blocks: two pixels to a cell, so that pixels are about square."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

Image = Iterable[Iterable[int]]
"""Rows of grey values 0 to 255; numpy arrays fit, too."""

RAMP = " .:-=+*#%@"
"""From no ink to all ink, for terminals that have only ASCII."""
HALVES = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
DARK_ENOUGH = 110
"""From here on a pixel is ink, where a terminal has no greys."""
LEVELS = 32
"""Shades that are told apart: fewer colours, fewer bytes."""


class PixelImage(Widget):
    """Shows an image, each of its pixels `scale` columns wide and `scale` half rows high; ink has the text's colour."""

    DEFAULT_CSS = """
    PixelImage {
        width: auto; height: auto; color: $foreground; background: $background;
        & > .pixels--cursor { color: $accent; }
    }
    """
    COMPONENT_CLASSES = {"pixels--cursor"}

    def __init__(self, width: int, height: int, *, scale: int = 1, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.image: list[list[int]] = [[0] * width for _ in range(height)]
        self.scale = scale
        self.ascii_only = False
        self.cursor: tuple[int, int] | None = None
        """A pixel (x, y) that is marked."""
        self._shades: tuple[object, list[Color]] = (None, [])

    def show(self, image: Image, cursor: tuple[int, int] | None = None) -> None:
        """Draw this image, of any size, and mark a pixel of it; rows that stay as they are are not painted again."""
        before, marked = self.image, self.cursor
        self.image, self.cursor = [[int(grey) for grey in row] for row in image], cursor
        if (len(before), len(before[0])) != (len(self.image), len(self.image[0])):
            self.refresh(layout=True)
            return
        changed = {y for y, row in enumerate(self.image) if row != before[y]}
        if cursor != marked:
            changed |= {at[1] for at in (cursor, marked) if at}
        lines = {line for y in changed for line in range(y * self.scale // 2, ((y + 1) * self.scale - 1) // 2 + 1)}
        if lines:
            self.refresh(*(Region(0, line, self.size.width, 1) for line in sorted(lines)))

    def enlarge(self, scale: int) -> None:
        """Draw each pixel so large."""
        if scale != self.scale:
            self.scale = scale
            self.refresh(layout=True)

    def get_content_width(self, container: object, viewport: object) -> int:
        """Columns of the whole image."""
        return len(self.image[0]) * self.scale

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        """Rows of the whole image."""
        return -(-len(self.image) * self.scale // 2)

    def render_line(self, y: int) -> Strip:
        """Two half rows of pixels."""
        pairs = list(zip(self._half_row(2 * y), self._half_row(2 * y + 1), strict=True))
        segments = [
            Segment(self._glyph(*pair) * (sum(1 for _ in same) * self.scale), self._style(*pair))
            for pair, same in groupby(pairs)
        ]
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style)

    def _half_row(self, half: int) -> list[int]:
        """Grey values of the pixels at that half row; -1 for the marked pixel."""
        y = half // self.scale
        if y >= len(self.image):
            return [0] * len(self.image[0])
        row = list(self.image[y])
        if self.cursor is not None and self.cursor[1] == y:
            row[self.cursor[0]] = -1
        return row

    @property
    def _plain(self) -> bool:
        """Whether there are no greys, only the terminal's own colours."""
        return self.ascii_only or self.app.theme.startswith("ansi")

    def _glyph(self, upper: int, lower: int) -> str:
        if self.ascii_only:
            return "+" if -1 in (upper, lower) else RAMP[(upper + lower) * (len(RAMP) - 1) // 510]
        if self._plain:
            return "┼" if -1 in (upper, lower) else HALVES[upper >= DARK_ENOUGH, lower >= DARK_ENOUGH]
        return "▀"

    def _style(self, upper: int, lower: int) -> Style:
        if self._plain:
            return self.get_component_rich_style("pixels--cursor") if -1 in (upper, lower) else self.rich_style
        return Style(color=self._color(upper).rich_color, bgcolor=self._color(lower).rich_color)

    def _color(self, grey: int) -> Color:
        if grey < 0:
            return self.get_component_styles("pixels--cursor").color
        ground, ink = self.background_colors[1], self.colors[3]
        if self._shades[0] != (ground, ink):
            self._shades = (ground, ink), [ground.blend(ink, level / (LEVELS - 1)) for level in range(LEVELS)]
        return self._shades[1][grey * LEVELS // 256]
