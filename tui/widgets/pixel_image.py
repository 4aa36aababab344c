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
"""Rows of grey values from 0 to 255; a numpy array is one too."""

RAMP = " .:-=+*#%@"
"""ASCII characters from no ink to full ink."""
HALF_BLOCKS = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}
"""Characters by whether the upper and the lower pixel have ink."""
INK_THRESHOLD = 110
"""Lowest grey value that counts as ink in a terminal without greys."""
SHADES = 32
"""Number of different greys: fewer colours cost fewer bytes."""


class PixelImage(Widget):
    """An image whose pixels are `scale` columns wide and `scale` half rows high; ink has the text's colour."""

    DEFAULT_CSS = """
    PixelImage {
        width: auto; height: auto; color: $foreground; background: $background;
        & > .pixel-image--cursor { color: $accent; }
    }
    """
    COMPONENT_CLASSES = {"pixel-image--cursor"}

    def __init__(self, width: int, height: int, *, scale: int = 1, id: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id)
        self.image: list[list[int]] = [[0] * width for _ in range(height)]
        self.scale = scale
        self.ascii_only = False
        self.cursor: tuple[int, int] | None = None
        """The pixel (x, y) that is marked."""
        self._colors: tuple[Color, ...] = ()
        """Paper, ink and cursor."""
        self._styles: dict[tuple[int, int], Style] = {}
        """The styles of cells in these colours, by the shades of the upper and the lower pixel."""

    def show(self, image: Image, cursor: tuple[int, int] | None = None) -> None:
        """Show an image of any size with an optional marked pixel. Repaints only the rows that changed."""
        old_image, old_cursor = self.image, self.cursor
        self.image, self.cursor = [[int(grey) for grey in row] for row in image], cursor
        if (len(old_image), len(old_image[0])) != (len(self.image), len(self.image[0])):
            self.refresh(layout=True)
            return
        changed = {y for y, row in enumerate(self.image) if row != old_image[y]}
        if cursor != old_cursor:
            changed |= {pixel[1] for pixel in (cursor, old_cursor) if pixel}
        lines = {line for y in changed for line in range(y * self.scale // 2, ((y + 1) * self.scale - 1) // 2 + 1)}
        if lines:
            self.refresh(*(Region(0, line, self.size.width, 1) for line in sorted(lines)))

    def set_scale(self, scale: int) -> None:
        """Set the size of a pixel, in columns and half rows."""
        if scale != self.scale:
            self.scale = scale
            self.refresh(layout=True)

    def get_content_width(self, container: object, viewport: object) -> int:
        return len(self.image[0]) * self.scale

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return -(-len(self.image) * self.scale // 2)

    def render_line(self, y: int) -> Strip:
        """Render two half rows of pixels."""
        self._update_colors()
        pairs = zip(self._half_row(2 * y), self._half_row(2 * y + 1), strict=True)
        cells = [(self._glyph(*pair), self._style(*pair)) for pair in pairs]
        segments = [
            Segment(glyph * (sum(1 for _ in same) * self.scale), style) for (glyph, style), same in groupby(cells)
        ]
        return Strip(segments).adjust_cell_length(self.size.width, self.rich_style)

    def _update_colors(self) -> None:
        """Forget the styles if the colours have changed. Textual works colours out from all ancestors: once a line, not a pixel."""
        cursor = self.get_component_styles("pixel-image--cursor").color
        colors = self.background_colors[1], self.colors[3], cursor
        if colors != self._colors:
            self._colors, self._styles = colors, {}

    def _half_row(self, half: int) -> list[int]:
        """Return the grey values of a half row, with -1 for the marked pixel."""
        y = half // self.scale
        if y >= len(self.image):
            return [0] * len(self.image[0])
        row = list(self.image[y])
        if self.cursor is not None and self.cursor[1] == y:
            row[self.cursor[0]] = -1
        return row

    @property
    def _has_greys(self) -> bool:
        """True where the terminal shows greys and not only its own 16 colours."""
        return not self.ascii_only and not self.app.theme.startswith("ansi")

    def _glyph(self, upper: int, lower: int) -> str:
        if self.ascii_only:
            return "+" if -1 in (upper, lower) else RAMP[(upper + lower) * (len(RAMP) - 1) // 510]
        if not self._has_greys:
            return "┼" if -1 in (upper, lower) else HALF_BLOCKS[upper >= INK_THRESHOLD, lower >= INK_THRESHOLD]
        return "▀"

    def _style(self, upper: int, lower: int) -> Style:
        if not self._has_greys:
            marked = -1 in (upper, lower)
            return self.get_component_rich_style("pixel-image--cursor") if marked else self.rich_style
        shades = upper * SHADES // 256, lower * SHADES // 256  # the mark stays -1
        if shades not in self._styles:
            color, background = (self._color(shade).rich_color for shade in shades)
            self._styles[shades] = Style(color=color, bgcolor=background)
        return self._styles[shades]

    def _color(self, shade: int) -> Color:
        paper, ink, cursor = self._colors
        return cursor if shade < 0 else paper.blend(ink, shade / (SHADES - 1))
