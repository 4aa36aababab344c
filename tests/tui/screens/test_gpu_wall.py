"""The GPU wall, with a fake box of eight GPUs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engines.api import GpuReading, Replay, Session
from engines.monitors import sampler
from engines.monitors.gpu import GpuMonitor
from tests.support.fake_gpu_box import FakeGpuBox
from tests.support.fake_gpus import fake_gpu, lost_fake_gpu, usage
from tests.support.pilot import SIZES, key_bar_of, opened, text_of, until
from tui.app import MnistApp
from tui.screens.gpu_wall import GpuWall
from tui.screens.train import TrainScreen


def fake_box(count: int = 8) -> list[GpuReading]:
    return [replace(fake_gpu(index=i), utilization_percent=90.0 if i == 4 else 0.0) for i in range(count)]


@asynccontextmanager
async def wall(tmp_path: Path, size: tuple[int, int], *gpus: GpuReading) -> AsyncIterator[tuple[MnistApp, Pilot[None]]]:
    """Open the wall of an app whose machine has these fake GPUs and no sampler of its own."""
    app = MnistApp(cache_dir=tmp_path / "cache", runs_dir=tmp_path / "runs")
    app.controller.start_workers = lambda: None  # type: ignore[method-assign]
    async with app.run_test(size=size) as pilot:
        for t in range(30):
            app.session.machine.apply(usage(float(t), *gpus))
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, GpuWall) and bool(text_of(app, "#rows")))
        yield app, pilot


def rows_of(app: MnistApp) -> list[str]:
    return text_of(app, "#rows").splitlines()


@pytest.mark.parametrize("size", SIZES)
async def test_eight_gpus_are_in_sight_at_every_size(tmp_path: Path, size: tuple[int, int]) -> None:
    async with wall(tmp_path, size, *fake_box()) as (app, pilot):
        lines = rows_of(app)
        assert [line.split()[0] for line in lines if "Fake GPU" in line] == [str(i) for i in range(8)]
        assert len(lines) <= size[1] - 2
        if size == (80, 24):
            assert len(lines) == 16, "two lines for each GPU"
        assert "8 GPUs, 1 busy · by index" in text_of(app, "#title")
        await pilot.press("g")
        assert isinstance(app.screen, TrainScreen)


async def test_a_gpu_that_disappears_stays_as_a_row(tmp_path: Path) -> None:
    box = fake_box()
    async with wall(tmp_path, (80, 24), *box) as (app, pilot):
        app.session.machine.apply(usage(31.0, *box[:6], lost_fake_gpu(6)))
        await until(pilot, lambda: "2 lost" in text_of(app, "#title"))
        assert "   6 Fake GPU  n/a: GPU is lost" in rows_of(app)
        assert "   7 Fake GPU  n/a: not reported any more" in rows_of(app)


async def test_keys_sort_filter_and_close(tmp_path: Path) -> None:
    async with wall(tmp_path, (80, 24), *fake_box()) as (app, pilot):
        await pilot.press("tab")
        assert rows_of(app)[0].split()[0] == "4"
        assert "by utilisation" in text_of(app, "#title")
        await pilot.press("slash", *"idle")
        assert app.screen.query_one("#find", Input).value == "idle"
        assert "7 of 8" in text_of(app, "#title")
        assert not any(line.split()[:1] == ["4"] for line in rows_of(app))
        await pilot.press("escape")
        await until(pilot, lambda: "7 of 8" not in text_of(app, "#title"))
        await pilot.press("escape")
        assert isinstance(app.screen, TrainScreen)


async def test_more_gpus_than_lines_are_scrolled(tmp_path: Path) -> None:
    async with wall(tmp_path, (80, 24), *fake_box(30)) as (app, pilot):
        assert len(rows_of(app)) == 22
        assert "↓ Scroll" in key_bar_of(app)
        await pilot.press("pagedown", "pagedown")
        assert rows_of(app)[-1].split()[0] == "29"


async def test_without_a_gpu_it_says_why(tmp_path: Path) -> None:
    async with wall(tmp_path, (80, 24)) as (app, _):
        assert "No GPU can be read here: no NVIDIA driver." in text_of(app, "#rows")
        assert "Scroll" not in key_bar_of(app)


@pytest.mark.parametrize(
    ("count", "text"), [(1, "links, processes: not recorded"), (0, "No GPU was recorded: no NVIDIA driver.")]
)
async def test_a_recording_says_what_was_not_recorded(
    count: int, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")  # it may have been recorded elsewhere
    session = Replay([usage(0.0, *fake_box(count))])
    app = MnistApp(session=session, cache_dir=tmp_path / "cache", runs_dir=tmp_path / "runs")
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: session.machine.usage is not None)
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, GpuWall) and text in text_of(app, "#rows"))
        assert "CUDA" not in text_of(app, "#title")


@pytest.mark.parametrize(
    ("count", "key", "opens"), [(3, "", True), (2, "", False), (3, "t", False)], ids=["three", "two", "a key before"]
)
async def test_the_wall_opens_by_itself_once_at_the_start(count: int, key: str, opens: bool, tmp_path: Path) -> None:
    app = MnistApp(cache_dir=tmp_path / "cache", runs_dir=tmp_path / "runs")
    app.controller.start_workers = lambda: None  # type: ignore[method-assign]
    app.opens_gpu_wall = True
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press(*[key] * bool(key))
        for _ in range(2):
            app.session.machine.apply(usage(1.0, *fake_box(count)))
            app.draw_frame()
            await pilot.pause()
            assert isinstance(app.screen, GpuWall if opens else TrainScreen)
            if opens:
                await until(pilot, lambda: "3 GPUs, 0 busy · esc goes on to the app" in text_of(app, "#title"))
            await pilot.press(*["escape"] * opens)
            opens = False
        assert isinstance(app.screen, TrainScreen)


async def test_the_wall_does_not_hide_a_run_that_has_begun(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, epochs=1) as (app, pilot):
        app.opens_gpu_wall = True
        app.action_start()
        await until(pilot, lambda: app.controller.has_run)
        app.session.machine.apply(usage(1.0, *fake_box()))
        await until(pilot, lambda: not app.opens_gpu_wall)
        assert isinstance(app.screen, TrainScreen)


async def test_the_details_are_read_while_the_wall_is_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app's own sampler reads a fake box here."""
    monitor = GpuMonitor(FakeGpuBox())
    monkeypatch.setattr(sampler, "GpuMonitor", lambda: monitor)
    app = MnistApp(cache_dir=tmp_path / "cache", runs_dir=tmp_path / "runs")
    assert isinstance(app.session, Session)
    app.session._sampler._interval_seconds = 0.1
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: len(app.session.machine.gpus) == 8)
        assert not monitor.with_details
        await pilot.press("g")
        await until(pilot, lambda: "PCIe 1.2/0.3" in text_of(app, "#rows"))
        await pilot.press("escape")
        await until(pilot, lambda: not monitor.with_details)
