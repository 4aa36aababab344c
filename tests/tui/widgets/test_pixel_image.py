"""PixelImage: the styles of its cells follow the theme, and cost no look at the ancestors for each pixel."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.color import Color

from tui.base_app import BaseApp
from tui.widgets.pixel_image import SHADES, PixelImage

GREYS = [[64 * y + x for x in range(64)] for y in range(4)]


class CountingImage(PixelImage):
    """Counts how often it is asked for its colours, which Textual works out from all ancestors."""

    asked = 0

    @property
    def colors(self) -> tuple[Color, Color, Color, Color]:
        self.asked += 1
        return super().colors


class OneImage(BaseApp):
    def compose(self) -> ComposeResult:
        yield CountingImage(64, 4)


async def test_colours_are_asked_for_once_a_line() -> None:
    async with OneImage(ascii_only=False).run_test(size=(80, 10)) as pilot:
        image = pilot.app.query_one(CountingImage)
        image.show(GREYS)
        image.asked = 0
        strips = [image.render_line(y) for y in range(2)]
    assert image.asked == 2
    assert len(strips[0]) <= 3 * SHADES  # one segment for neighbours that look the same, and the rest of the line


async def test_a_new_theme_is_seen_in_every_shade() -> None:
    async with OneImage(ascii_only=False).run_test(size=(80, 10)) as pilot:
        image = pilot.app.query_one(CountingImage)
        image.show([[0] * 64] * 2 + [[255] * 64] * 2, cursor=(5, 3))
        grounds = []
        for theme in ("mnist-dark", "mnist-light"):
            pilot.app.theme = theme
            await pilot.pause()
            segments = [next(iter(image.render_line(y))) for y in range(2)]
            colors = [segment.style.color for segment in segments if segment.style is not None]
            assert colors == [image.background_colors[1].rich_color, image.colors[3].rich_color]
            grounds.append(colors[0])
            marked = list(image.render_line(1))[1]
            assert marked.style is not None
            cursor = image.get_component_styles("pixel-image--cursor").color.rich_color
            assert (marked.text, marked.style.bgcolor) == ("▀", cursor)
    assert grounds[0] != grounds[1]
