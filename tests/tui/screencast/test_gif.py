"""GIFs, decoded by Pillow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageSequence
from rich.style import Style

from tests.tui.screencast.conftest import SECONDS, SIZE, Filmed
from tui.screencast import gif
from tui.screencast.cells import cells
from tui.screencast.recorder import Screencast

DOCS = Path(__file__).parents[3] / "docs"
WIDTH, HEIGHT = gif.CELL


def frames_of(path: Path) -> list[tuple[int, Any]]:
    """Return (milliseconds, pixels) of each frame."""
    with Image.open(path) as image:
        return [(frame.info["duration"], np.asarray(frame.convert("RGB"))) for frame in ImageSequence.Iterator(image)]


def exact(screencast: Screencast, number: int, font: Any) -> Any:
    """Return a frame as it is drawn, before colours are chosen."""
    pictures = gif.Pictures(screencast, font)
    channels = np.moveaxis(np.stack(pictures._tiles)[pictures._grids[number]], -1, 0)
    return np.stack([gif._joined(channel) for channel in channels], axis=-1)


def cell(pixels: Any, x: int, y: int = 0) -> Any:
    return pixels[y * HEIGHT : (y + 1) * HEIGHT, x * WIDTH : (x + 1) * WIDTH]


def drawn(screens: Callable[..., Screencast], font: Any, *runs: tuple[str, str]) -> Any:
    """Draw one row of (text, style)."""
    return exact(screens((0.0, [list(runs)])), 0, font)


def ink(pixels: Any) -> Any:
    """Return where a cell of white on black is covered by more than a half."""
    return pixels[..., 0] > 127


def test_a_gif_is_what_the_app_has_drawn(filmed: Filmed, font: Any, tmp_path: Path) -> None:
    """The number of frames, their size and times, and each frame's pixels, which the palette here holds exactly."""
    screencast = filmed.screencast
    gif.write(screencast, tmp_path / "run.gif", font)
    frames = frames_of(tmp_path / "run.gif")
    assert len(frames) == len(screencast.frames)
    assert sum(milliseconds for milliseconds, _ in frames) == 1000 * SECONDS
    for number, (_, pixels) in enumerate(frames):
        assert pixels.shape == (SIZE[1] * HEIGHT, SIZE[0] * WIDTH, 3)
        assert (pixels == exact(screencast, number, font)).all(), number
    with Image.open(tmp_path / "run.gif") as image:
        assert image.info["loop"] == 0


def test_the_background_and_the_blocks_have_the_colours_of_the_cells(filmed: Filmed, font: Any) -> None:
    """The corner of a cell with a letter is its background; the last screen has pixels in half blocks."""
    frame = filmed.screencast.frames[-1]
    pixels = exact(filmed.screencast, -1, font)
    checked = 0
    for y, row in enumerate(frame.rows):
        for x, (text, style) in enumerate(cells(row)):
            assert style.color is not None or text == " "
            if (
                style.bgcolor is not None
                and style.bgcolor.triplet
                and (text.isalnum() or text == "▀")
                and not style.reverse
            ):
                part = cell(pixels, x, y)
                assert tuple(part[-1, 0]) == tuple(style.bgcolor.triplet), (y, x)
                if text == "▀" and style.color is not None:
                    assert tuple(part[0, 0]) == tuple(style.color.triplet or ()), (y, x)
                checked += 1
    assert checked > 500


def test_times_are_kept_in_hundredths(screens: Callable[..., Screencast], font: Any, tmp_path: Path) -> None:
    """At 12 frames per second: each delay is rounded so that no error adds up."""
    screencast = screens(*((i / 12, [f"{i:2}"]) for i in range(12)), seconds=1.25)
    gif.write(screencast, tmp_path / "a.gif", font)
    durations = [milliseconds for milliseconds, _ in frames_of(tmp_path / "a.gif")]
    assert durations == [80, 90, 80, 80, 90, 80, 80, 90, 80, 80, 90, 330]


def test_frames_hold_only_what_has_changed(screens: Callable[..., Screencast], font: Any, tmp_path: Path) -> None:
    screencast = screens((0.0, ["abcdef", "ghijkl"]), (0.5, ["abcdef", "ghijXl"]))
    gif.write(screencast, tmp_path / "a.gif", font)
    with Image.open(tmp_path / "a.gif") as image:
        image.seek(1)
        left, top, right, bottom = image.dispose_extent  # type: ignore[attr-defined]
    assert 4 * WIDTH <= left < right <= 5 * WIDTH
    assert HEIGHT <= top < bottom <= 2 * HEIGHT


def test_a_change_that_is_not_seen(screens: Callable[..., Screencast], font: Any, tmp_path: Path) -> None:
    """A blank in another colour of ink is another cell, and the same picture."""
    gif.write(
        screens((0.0, [[("a", ""), (" ", "red")]]), (0.5, [[("a", ""), (" ", "blue")]])), tmp_path / "a.gif", font
    )
    (_, first), *rest = frames_of(tmp_path / "a.gif")
    assert all((pixels == first).all() for _, pixels in rest)


def test_more_colours_than_the_palette_holds(screens: Callable[..., Screencast], font: Any, tmp_path: Path) -> None:
    """The most different colours stay, also a rare one; the others become similar ones."""
    shades = [(" ", f"on #{i:02x}{j * 16:02x}40") for i in range(0, 256, 4) for j in range(16)]
    row = [*shades, (" ", "on #ff00ff")]
    gif.write(screens((0.0, [row])), tmp_path / "a.gif", font)
    ((_, pixels),) = frames_of(tmp_path / "a.gif")
    assert tuple(cell(pixels, len(row) - 1)[0, 0]) == (255, 0, 255)
    wanted = np.array([tuple(Style.parse(style).bgcolor.triplet or ()) for _, style in row])  # type: ignore[union-attr]
    assert np.abs(pixels[0, ::WIDTH].astype(int) - wanted).max() <= 16


def test_styles_of_letters(screens: Callable[..., Screencast], font: Any) -> None:
    white = "#ffffff on #000000"
    names = ("", "bold ", "italic ", "underline ", "reverse ", "dim ", "strike ", "conceal ")
    pixels = drawn(screens, font, *(("l", name + white) for name in names))
    plain, bold, italic, underline, reverse, dim, strike, conceal = (cell(pixels, x) for x in range(len(names)))
    assert ink(bold).sum() > ink(plain).sum()
    assert (ink(italic) != ink(plain)).any()
    assert ink(italic).any()
    assert (np.flatnonzero((ink(underline) != ink(plain)).any(axis=1)) >= HEIGHT - 3).all()
    assert ink(underline)[-2].all()
    assert (reverse == 255 - plain).all()
    assert dim.max() == round(255 * (1 - gif.DIM))
    assert ink(strike)[HEIGHT // 2].all()
    assert not conceal.any()


def test_wide_characters_take_two_cells(screens: Callable[..., Screencast], font: Any) -> None:
    """The next letter is at its place, whichever fonts there are."""
    pixels = drawn(screens, font, ("中b", "#ffffff on #000000"))
    assert pixels.shape[1] == 3 * WIDTH
    assert ink(cell(pixels, 0)).any()
    assert (cell(pixels, 0) != cell(pixels, 1)).any()
    assert (cell(pixels, 2) == drawn(screens, font, ("b", "#ffffff on #000000"))).all()


def test_letters_have_a_common_baseline_inside_their_cells(screens: Callable[..., Screencast], font: Any) -> None:
    pixels = drawn(screens, font, ("xMgj", "#ffffff on #000000"))
    bottoms = [int(np.flatnonzero(ink(cell(pixels, x)).any(axis=1)).max()) for x in range(4)]
    assert bottoms[0] == bottoms[1] < bottoms[2] < HEIGHT
    assert bottoms[2] == bottoms[3]


def test_default_colours_are_those_of_the_terminal_theme(screens: Callable[..., Screencast], font: Any) -> None:
    screencast = screens((0.0, ["█ "]))
    pixels = exact(screencast, 0, font)
    assert tuple(cell(pixels, 0)[0, 0]) == tuple(screencast.colors.foreground_color)
    assert tuple(cell(pixels, 1)[0, 0]) == tuple(screencast.colors.background_color)


def test_the_film_of_the_readme() -> None:
    """At most 2 MB, 120x34, 20 to 30 seconds, and several screens."""
    path = DOCS / "demo.gif"
    assert path.stat().st_size <= 2_000_000
    with Image.open(path) as image:
        assert image.size == (120 * WIDTH, 34 * HEIGHT)
        count = getattr(image, "n_frames")  # noqa: B009  # only an animation has it
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
    assert 20_000 <= sum(durations) <= 30_000
    assert count > 100
    assert min(durations) >= 20, "browsers show shorter ones for 100 ms"


@pytest.mark.parametrize("text", ["\U0010ffff", "\ufffd", "🎉"])
def test_a_character_without_a_font_is_drawn_as_something(
    text: str, screens: Callable[..., Screencast], font: Any
) -> None:
    assert drawn(screens, font, (text, "#ffffff on #000000")).any()
