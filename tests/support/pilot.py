"""Helpers for the app under Pilot: open it with scripted engines, wait, and read the screen."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from textual.pilot import Pilot
from textual.widget import Widget

from engines.api import RunRequest
from tests.support.engines import scripted_spec
from tui import preferences
from tui.app import MnistApp
from tui.screens.runs import RunsScreen
from tui.widgets.key_bar import KeyBar
from tui.widgets.line_chart import LineChart
from tui.widgets.log_pane import LogPane

SIZES = [(80, 24), (120, 40), (200, 60)]


@asynccontextmanager
async def opened(
    tmp_path: Path, small_mnist: Path, size: tuple[int, int] = (120, 40), **settings: Any
) -> AsyncIterator[tuple[MnistApp, Pilot[None]]]:
    """Open the app with two scripted engines; afterwards check that no process is left."""
    app = MnistApp(
        [scripted_spec("pytorch"), scripted_spec("keras")],
        RunRequest.from_values({"epochs": 2, "batch_size": 64, "data_dir": str(small_mnist), **settings}),
        cache_dir=tmp_path / "cache",
        runs_dir=tmp_path / "runs",
        preferences_file=tmp_path / preferences.FILE,
    )
    if settings.get("epochs", 0) > 100:
        os.environ["MNIST_TUI_SCRIPT"] = "slow"  # the fixture `home` restores it
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    async with app.run_test(size=size) as pilot:
        yield app, pilot
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert not left, "the app left processes behind"


async def until(pilot: Pilot[None], condition: Callable[[], bool], timeout: float = 30.0) -> None:
    """Wait until a condition is true."""
    try:
        async with asyncio.timeout(timeout):
            while not condition():
                await pilot.pause(0.02)
    except TimeoutError:
        app = pilot.app
        assert isinstance(app, MnistApp)
        pytest.fail(f"still {phases(app)} after {timeout} s; aim {app.controller.aim}, screen {app.screen}")


def phases(app: MnistApp) -> list[str]:
    return [history.phase for history in app.session.histories.values()]


def text_of(app: MnistApp, selector: str) -> str:
    return str(app.screen.query_one(selector, Widget).render())


def notice_of(app: MnistApp, engine: str) -> str:
    """Return the notice in an engine's panel; empty while there is none."""
    notices = app.screen.query(f"#panel-{engine} #notice")  # mounted with the first notice
    return str(notices.first(Widget).render()) if notices and notices.first().display else ""


def key_bar_of(app: MnistApp) -> str:
    """Return the keys and words of the shown screen's or dialog's last line."""
    bar = app.screen.query_one(KeyBar)
    return bar.line(bar.size.width).plain


def log_of(app: MnistApp, engine: str) -> str:
    return "\n".join(strip.text for strip in app.screen.query_one(f"#log-{engine}", LogPane).lines)


def drawn(app: MnistApp, selector: str) -> str:
    chart = app.screen.query_one(selector, LineChart)
    return "\n".join(chart.render_line(y).text for y in range(len(chart.headings), chart.size.height))


def has_curve(app: MnistApp, selector: str) -> bool:
    """Return whether a chart has a curve in braille."""
    return any(0x2800 < ord(character) < 0x2900 for character in drawn(app, selector))


def heading(app: MnistApp, selector: str) -> str:
    return "\n".join(map(str, app.screen.query_one(selector, LineChart).headings))


async def hover_until(
    pilot: Pilot[None], where: Widget | str, offset: tuple[int, int], condition: Callable[[], bool]
) -> None:
    """Move the mouse over a widget until the condition is true; a layout change may send a leave event in between."""
    async with asyncio.timeout(30):
        while not condition():
            await pilot.hover(where, offset=offset)


@asynccontextmanager
async def on_runs(runs: Path, size: tuple[int, int] = (120, 40)) -> AsyncIterator[tuple[RunsScreen, Pilot[None]]]:
    """Open the app with the Runs screen, and wait until its runs are read."""
    app = MnistApp(cache_dir=runs.parent / "cache", runs_dir=runs)  # without engines, no worker starts
    async with app.run_test(size=size) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and app.screen._disk_bytes is not None)
        assert isinstance(app.screen, RunsScreen)
        yield app.screen, pilot


def script(*arguments: str) -> list[str]:
    """Return a `train` command with two scripted engines, for a process of its own."""
    program = f"""
import sys
from tests.support.engines import scripted_spec
from tui.cli import arguments as options, main as cli
options.specs = lambda _: [scripted_spec("pytorch"), scripted_spec("keras")]
sys.exit(cli.main({["train", *arguments]!r}))
"""
    return [sys.executable, "-c", program]


def screen_text(app: MnistApp) -> str:
    """Return the text of all cells of the screen."""
    strips = app.screen._compositor.render_strips()  # the source of export_screenshot
    return "\n".join(strip.text.rstrip() for strip in strips) + "\n"
