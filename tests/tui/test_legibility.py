"""Text in the terminal's own 16 colours can be read on every screen, and what is selected is seen without colours, too."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Iterable

import pytest
from rich.color import Color, ColorType
from rich.style import Style
from textual.command import CommandPalette
from textual.pilot import Pilot

from engines import paths
from engines.api import RunRequest
from tests.support.pilot import until
from tests.support.recording import shown
from tests.support.run_folders import make_run_folder
from tests.tui.test_themes import BACKGROUNDS, PALETTES, contrast
from tui.app import MnistApp
from tui.screens.settings import SettingsScreen
from tui.widgets.run_table import RunTable

MIN_CONTRAST = 3
"""Lowest contrast of a text: titles and keys are bold, and two palettes have no more for a bright colour."""

SETTINGS = "settings"
VIEWS = ("l", "o", "2", "3", "4", "tab", "tab", "tab", "question_mark", "escape", "5", "ctrl+p", "down", SETTINGS)
"""Keys that lead through the screens and dialogs; a recording has no key for its settings."""


async def views(theme: str, keys: Iterable[str]) -> AsyncIterator[tuple[str, MnistApp]]:
    """Yield the app at the end of the recording, after each key."""
    make_run_folder(paths.runs_dir(), "20260101-000000-a")
    make_run_folder(paths.runs_dir(), "20260102-000000-b")
    async with shown(400.0, (120, 40), theme) as app:
        pilot = Pilot(app)
        for key in keys:
            if key == SETTINGS:
                await app.push_screen(SettingsScreen(RunRequest(), {}))
            else:
                await pilot.press(key)
            await until(pilot, lambda key=key: is_filled(app, key))  # type: ignore[misc]  # bound now
            app.draw_frame()
            await pilot.pause()
            yield key, app


def is_filled(app: MnistApp, key: str) -> bool:
    """Return whether a screen that fills itself in the background is complete."""
    if key == "5":
        return any(len(table.runs) == 2 for table in app.screen.query(RunTable))
    return key != "ctrl+p" or (
        isinstance(app.screen, CommandPalette) and app.screen._list_visible and app.screen._hit_count > 0
    )


def texts(app: MnistApp) -> list[tuple[str, Style]]:
    """Return the words on the screen, with their styles."""
    segments = [segment for strip in app.screen._compositor.render_strips() for segment in strip]
    return [(text.strip(), style or Style()) for text, style, _ in segments if any(map(str.isalnum, text))]


@functools.cache
def least_contrast(style: Style, theme: str) -> float:
    """Return the lowest contrast of a style in any terminal: some show bold text brighter."""
    found = []
    for palette in PALETTES.values():
        colors = palette.split()
        text, ground = ("000000", "ffffff") if theme == "ansi-light" else (colors[7], "000000")
        for brightens in (False, True):
            pair = [
                _hexadecimal(style.color, text, colors, brightens and bool(style.bold)),
                _hexadecimal(style.bgcolor, ground, colors, False),
            ]
            found.append(contrast(*pair))
    return min(found)


def _hexadecimal(color: Color | None, default: str, colors: list[str], brightened: bool) -> str:
    if color is None or color.is_default:
        return default
    if color.type is ColorType.TRUECOLOR:
        return color.get_truecolor().hex.removeprefix("#")
    number = color.number or 0
    return colors[number + 8 * (brightened and number < 8)]


@pytest.mark.parametrize("theme", BACKGROUNDS)
async def test_text_is_legible_in_16_colours(theme: str) -> None:
    """Faint text is what can't be done now, or a remark; what is selected is never faint."""
    illegible = set()
    async for view, app in views(theme, VIEWS):
        for text, style in texts(app):
            has_ground = style.bgcolor is not None and not style.bgcolor.is_default
            selected = has_ground and len(text) > 1  # one character is the cursor of an input field
            if style.dim and not selected:
                continue
            if style.dim or least_contrast(style, theme) < MIN_CONTRAST:
                illegible.add((view, text, str(style)))
    assert illegible == set()


@pytest.mark.parametrize("theme", BACKGROUNDS)
async def test_the_code_that_runs_is_legible_in_16_colours(theme: str) -> None:
    """It is marked at its side: a tint of the ground would be a full colour there, as bright as the code."""
    async with shown(60.0, (120, 40), theme, "2", "v") as app:
        pilot = Pilot(app)
        await until(pilot, lambda: len(app.screen.query(".cell.-runs")) == 2)
        await pilot.pause()
        faint = [
            (text, str(style))
            for text, style in texts(app)
            if not style.dim and least_contrast(style, theme) < MIN_CONTRAST
        ]
        assert faint == []


async def test_the_selection_is_visible_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    marked: dict[str, list[str]] = {}
    async for view, app in views("ansi-dark", ("5", "ctrl+p", "down")):
        marked[view] = [text for text, style in texts(app) if style.reverse or style.underline]
    assert marked["5"][1:] == ["01-01 12:00", "99.00 %", "98.90 %", "01:40"]
    assert len(marked["down"]) == len(marked["5"]) + 2, "a command and its help"
