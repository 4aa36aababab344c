"""The command palette: keys beside commands, settings by name, the demo, and Textual's own commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.command import CommandPalette

from tests.support.pilot import opened, phases, until
from tui.app import MnistApp
from tui.palette import setting_commands


def titles(app: MnistApp) -> dict[str, str]:
    return {command.title: command.help for command in app.get_system_commands(app.screen)}


async def test_the_palette_lists_what_works_now_with_its_keys(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, epochs=10_000) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        idle = titles(app)
        assert {"Start (s)", "Settings (e)", "Watch the demo", "Screenshot", "Keys", "Theme", "Next theme (t)"} <= {
            *idle
        }
        assert "Pause (space)" not in idle
        assert idle["Code (2)"] != idle["Draw (3)"]
        assert len(idle) == len([*app.get_system_commands(app.screen)]), "no title is there twice"
        assert all(idle.values())
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        assert "Pause (space)" in titles(app)
        assert not {"Start (s)", "Watch the demo", "Framework: Keras"} & {*titles(app)}


async def test_the_palette_finds_settings_and_chooses_them(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await pilot.press(*"framework: ker")
        palette = app.screen
        assert isinstance(palette, CommandPalette)
        await until(pilot, lambda: palette._list_visible and palette._hit_count > 0)
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.controller.request.framework == "keras")
        assert "keras" in (app._preferences_file or Path()).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "title", ["Device: cpu", "Preset: quick", "Framework: PyTorch", "Precision: bf16", "Mode: time-trial"]
)
async def test_each_setting_with_few_values_is_found(title: str, tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        chosen: list[object] = []
        (command, *_) = (one for one in setting_commands(app.controller, chosen.append) if one.title.startswith(title))
        command.callback()
        assert chosen
        assert command.discover == title.startswith(("Device", "Preset", "Framework"))
