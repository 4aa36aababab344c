"""Colours in terminals with 16 and with 256 of them, and on any background."""

from __future__ import annotations

from argparse import Namespace
from itertools import combinations

import pytest
from rich._palettes import EIGHT_BIT_PALETTE
from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual import color as textual_color

from engines.api import RunRequest
from tui import base_app, themes
from tui.base_app import BaseApp
from tui.cli.app import theme
from tui.screens.settings import SettingsScreen
from tui.terminal.sanitize import NoBrightening, OnBlack
from tui.theme_names import AUTO

PALETTES = {
    "xterm": "000000 cd0000 00cd00 cdcd00 0000ee cd00cd 00cdcd e5e5e5 7f7f7f ff0000 00ff00 ffff00 5c5cff ff00ff 00ffff ffffff",
    "VGA": "000000 aa0000 00aa00 aa5500 0000aa aa00aa 00aaaa aaaaaa 555555 ff5555 55ff55 ffff55 5555ff ff55ff 55ffff ffffff",
    "Tango": "2e3436 cc0000 4e9a06 c4a000 3465a4 75507b 06989a d3d7cf 555753 ef2929 8ae234 fce94f 729fcf ad7fa8 34e2e2 eeeeec",
    "GNOME": "171421 c01c28 26a269 a2734c 12488b a347ba 2aa1b3 d0cfcc 5e5c64 f66151 33d17a e9ad0c 2a7bde c061cb 33c7de ffffff",
    "Terminal.app": (
        "000000 990000 00a600 999900 0000b2 b200b2 00a6b2 bfbfbf 666666 e50000 00d900 e5e500 0000ff e500e5 00e5e5 e5e5e5"
    ),
    "Campbell": "0c0c0c c50f1f 13a10e c19c00 0037da 881798 3a96dd cccccc 767676 e74856 16c60c f9f1a5 3b78ff b4009e 61d6d6 f2f2f2",
    "PuTTY": "000000 bb0000 00bb00 bbbb00 0000bb bb00bb 00bbbb bbbbbb 555555 ff5555 55ff55 ffff55 5555ff ff55ff 55ffff ffffff",
}
"""The 16 colours of common terminals.

They are those of xterm (XTerm-col.ad), of the Linux console (drivers/tty/vt/vt.c), of VTE in its Tango and GNOME schemes
(gnome-terminal's profile editor), of Windows Terminal (Campbell), and of the terminals that they are named for (Wikipedia,
"ANSI escape code"). Solarized is not among them: it gives the bright colours to greys, and its own text has 4.1:1."""
BACKGROUNDS = {"ansi-dark": 0, "ansi-light": 15}
MIN_CONTRAST = 4.5
"""The contrast that text needs (WCAG 2.2, 1.4.3); lines and large signs need 3 (1.4.11)."""


def luminance(hexadecimal: str) -> float:
    """Return WCAG 2.2's relative luminance."""
    channels = [int(hexadecimal[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(color: str, other: str) -> float:
    """Return WCAG 2.2's contrast ratio, 1 to 21."""
    darker, lighter = sorted((luminance(color), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def color_number(theme: str, name: str) -> int | None:
    """Return the number of a theme's colour among the 16; None for the terminal's own foreground."""
    colors = {**themes.THEMES[theme].to_color_system().generate(), **themes.THEMES[theme].variables}
    return textual_color.Color.parse(colors[name]).rich_color.number


def test_the_contrast_formula_is_the_published_one() -> None:
    assert contrast("000000", "ffffff") == pytest.approx(21)
    assert contrast("777777", "ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("palette", PALETTES)
@pytest.mark.parametrize("theme", BACKGROUNDS)
def test_sixteen_colours_are_legible(theme: str, palette: str) -> None:
    colors = PALETTES[palette].split()
    ground = "000000" if theme == "ansi-dark" else "ffffff"

    def contrast_with_background(name: str) -> float:
        number = color_number(theme, name)
        return 21.0 if number is None else contrast(colors[number], ground)

    assert {
        name: contrast_with_background(name)
        for name in ("pytorch", "keras")
        if contrast_with_background(name) < MIN_CONTRAST
    } == {}
    others = ("error", "warning", "success", "accent", "primary", *(f"run-{i}" for i in range(1, 7)))
    assert {name: contrast_with_background(name) for name in others if contrast_with_background(name) < 3} == {}


@pytest.mark.parametrize("theme", BACKGROUNDS)
def test_engines_errors_and_runs_have_different_colours(theme: str) -> None:
    assert len({color_number(theme, name) for name in ("pytorch", "keras", "error")}) == 3
    assert all(
        color_number(theme, a) != color_number(theme, b) for a, b in combinations([f"run-{i}" for i in range(1, 7)], 2)
    )


def test_bold_does_not_brighten_on_a_light_background() -> None:
    """Drop bold where xterm would brighten it: its magenta has 4.7:1 on white, its bright magenta 3.1:1."""
    bold = [Segment("x", Style.parse(style)) for style in ("bold magenta", "bold bright_red", "bold")]
    shown = NoBrightening().apply(bold, textual_color.Color.parse("white"))
    assert [segment.style is not None and segment.style.bold for segment in shown] == [False, True, True]


def test_an_unknown_background_becomes_black() -> None:
    segments = [
        Segment("x"),
        Segment("x", Style.parse("bold bright_yellow")),
        Segment("x", Style.parse("default on red")),
    ]
    shown = OnBlack().apply(segments, textual_color.Color.parse("white"))
    assert [str(segment.style) for segment in shown] == [
        "white on black",
        "bold bright_yellow on black",
        "white on red",
    ]


@pytest.mark.parametrize("theme", ["mnist-dark", "mnist-light", "mnist-clear"])
def test_256_colours_have_a_grey_for_every_background(theme: str) -> None:
    """Nearly grey backgrounds have a grey among 256 colours; else a header would become navy blue."""
    ours = themes.THEMES[theme]
    shown = []
    for color in (ours.background, ours.surface, ours.panel):
        number = Color.parse(color or "").downgrade(ColorSystem.EIGHT_BIT).number
        assert number is not None
        red, green, blue = EIGHT_BIT_PALETTE[number]
        assert red == green == blue, color
        shown.append(red)
    assert len(set(shown)) == 3


@pytest.mark.parametrize(
    ("colors", "theme"),
    [("truecolor", "mnist-dark"), ("256", "mnist-dark"), ("standard", "ansi-dark"), (None, "ansi-dark")],
)
def test_the_default_theme_depends_on_the_terminal(
    colors: str | None, theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_app, "_COLORS", colors)
    chosen, named = BaseApp(AUTO), BaseApp("ansi-dark")
    assert chosen.theme == chosen.auto_theme == theme
    on_black = [any(isinstance(one, OnBlack) for one in app.get_line_filters()) for app in (chosen, named)]
    assert on_black == [theme == "ansi-dark", False], "who names it knows the terminal's ground"


def test_the_theme_of_the_command_line_precedes_the_saved_one() -> None:
    assert theme(Namespace(theme=None), {}) == AUTO
    assert theme(Namespace(theme=None), {"theme": "mnist-light"}) == "mnist-light"
    assert theme(Namespace(theme="mnist-clear"), {"theme": "mnist-light"}) == "mnist-clear"


async def test_the_focused_field_is_marked_without_colour() -> None:
    async with BaseApp("ansi-light", ascii_only=True).run_test(size=(110, 40)) as pilot:
        await pilot.app.push_screen(form := SettingsScreen(RunRequest(), {}))
        while form.focused is None or not form.query("#advanced"):
            await pilot.pause()
        marked = []
        for _ in range(3):
            await pilot.pause()
            rows = [strip.text.strip(" |") for strip in pilot.app.screen._compositor.render_strips()]
            assert "?" not in "".join(rows), "every character has an ASCII replacement"
            marked.append([row.split()[0] for row in rows if row.startswith("#")])
            await pilot.press("tab")
    assert marked == [["#framework"], ["#device"], ["#preset"]]
