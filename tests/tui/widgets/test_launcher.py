"""The launcher by keys and mouse: two keys or two clicks from the first screen to a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engines.api import FINISHED
from tests.support.pilot import opened, phases, text_of, until
from tui import preferences
from tui.app import MnistApp
from tui.screens.train import TrainScreen

SIZES = [(80, 24), (120, 40), (60, 15), (50, 12)]


def screen_of(app: MnistApp) -> TrainScreen:
    assert isinstance(app.screen, TrainScreen)
    return app.screen


async def click_until(app: MnistApp, pilot: Pilot[None], text: str, condition: Callable[[], bool]) -> None:
    """Click a text of the launcher until the condition is true: a notification may come and cover it on a small screen."""
    async with asyncio.timeout(30):
        while not condition():
            app.clear_notifications()
            await pilot.pause()
            lines = text_of(app, "#options").split("\n")
            row = next(i for i, line in enumerate(lines) if text in line)
            content = app.screen.query_one("#options").content_region
            await pilot.click(offset=(content.x + lines[row].index(text), content.y + row))
            await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("how", ["keys", "mouse"])
async def test_keras_on_the_cpu_trains_after_two_choices(
    how: str, size: tuple[int, int], tmp_path: Path, small_mnist: Path
) -> None:
    """The device is the CPU already: "auto" finds no GPU."""
    async with opened(tmp_path, small_mnist, size) as (app, pilot):
        await until(pilot, lambda: "● auto = cpu" in text_of(app, "#options"))
        if how == "keys":
            await pilot.press("F", "s")
        else:
            await click_until(app, pilot, "Keras", lambda: "● Keras" in text_of(app, "#options"))
            await click_until(app, pilot, "Start", lambda: app.session.running or phases(app)[1] == FINISHED)
        await until(pilot, lambda: phases(app)[1] == FINISHED)
        assert phases(app)[0] == "ready", "PyTorch did not train"
        assert preferences.load(tmp_path / preferences.FILE)["framework"] == "keras"


async def test_the_launcher_gives_way_to_a_run_and_comes_back(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, epochs=10_000) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        assert screen_of(app).launcher_shown
        assert not app.screen.query_one("#loss").display or not app.screen.query_one("#loss").size
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        assert not screen_of(app).launcher_shown
        await pilot.press("f")
        assert app.session.request.framework == "both", "nothing is chosen during a run"
        await pilot.press("x")
        await until(pilot, lambda: not app.session.running)
        assert not screen_of(app).launcher_shown, "the results stay on the screen"
        await pilot.press("f")
        await until(pilot, lambda: screen_of(app).launcher_shown)
        assert app.session.request.framework == "both", "the first key only opens it"
        await pilot.press("f")
        await until(pilot, lambda: app.session.request.framework == "pytorch")
        await pilot.press("escape")
        await until(pilot, lambda: not screen_of(app).launcher_shown)


async def test_one_framework_has_the_whole_width(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, framework="keras") as (app, pilot):
        await until(pilot, lambda: phases(app)[1] == "ready")
        pane = app.screen.query_one("#panel-keras")
        await until(pilot, lambda: pane.size.width > 110)
        assert not app.screen.query_one("#panel-pytorch").display
        assert "PyTorch is not chosen · f" in text_of(app, "#not-chosen")
        assert phases(app)[0] == "off"
        await pilot.press("f")
        await until(pilot, lambda: phases(app) == ["ready", "ready"], timeout=60)
        assert app.screen.query_one("#panel-pytorch").display, "its worker starts when it is chosen"
        assert not app.screen.query_one("#not-chosen").display


async def test_the_header_says_what_trains_before_during_and_after(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (200, 60), framework="keras", epochs=10_000) as (app, pilot):
        await until(pilot, lambda: "Keras · cpu · reference, changed · 10,000 epochs" in text_of(app, "#header"))
        await pilot.press("s")
        await until(pilot, lambda: phases(app)[1] == "training")
        assert "Keras · cpu · reference, changed · 10,000 epochs" in text_of(app, "#header")
        assert "race" not in text_of(app, "#header")
        await pilot.press("x")
        await until(pilot, lambda: not app.session.running)
        assert "Keras · cpu · reference, changed · 10,000 epochs" in text_of(app, "#header")


async def test_enter_starts_only_where_the_launcher_is(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, epochs=10_000) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("2", "enter")
        await pilot.pause()
        assert phases(app) == ["ready", "ready"]
        await pilot.press("1", "enter")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        await pilot.press("x")
        await until(pilot, lambda: phases(app) == ["stopped", "stopped"])
        await pilot.press("enter")
        await pilot.pause()
        assert not app.session.running, "the charts of a run that has ended are not replaced by an accident"
