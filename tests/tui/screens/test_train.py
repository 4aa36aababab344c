"""The Train screen by keys and mouse: charts, logs, layouts, and what the panes report."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from textual.events import MouseScrollUp
from textual.pilot import Pilot
from textual.widget import Widget

from engines.api import RunHistory
from engines.messages.grammar import violations
from engines.runs.reader import read_events
from tests.support.pilot import (
    SIZES,
    drawn,
    has_curve,
    heading,
    hover_until,
    log_of,
    notice_of,
    opened,
    phases,
    text_of,
    until,
)
from tests.support.recording import shown
from tui.app import MnistApp
from tui.widgets.engine_panel import EnginePanel
from tui.widgets.key_bar import KeyBar
from tui.widgets.line_chart import LineChart
from tui.widgets.log_pane import LogPane
from tui.widgets.text_line import TextLine


def widest_line(app: MnistApp) -> int:
    """Return the column in which the widest line of text ends."""
    return max(line.region.right for line in app.screen.query(TextLine))


async def test_no_line_is_wider_than_the_screen(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (120, 40)) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("s")
        for size in ((80, 24), (60, 20), (59, 14), (40, 10), (20, 5), (5, 3), (1, 1), (300, 100), (120, 40)):
            await pilot.resize_terminal(*size)
            await until(pilot, lambda width=size[0]: app.screen.size.width == width and widest_line(app) <= width)  # type: ignore[misc]


async def test_resize_storm(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, epochs=10_000) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["training", "training"])
        for i in range(25):
            await pilot.resize_terminal(1 + (i * 73) % 300, 1 + (i * 37) % 100)
            if i % 5 == 2:
                await pilot.press("om"[i // 5 % 2])
        await pilot.resize_terminal(120, 40)
        app.train_screen.set_layout("beside")
        await until(pilot, lambda: app.screen.query_one("#panel-keras #loss", LineChart).size.height > 5)


async def test_logs_show_what_the_worker_printed(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "garbage@3")
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("l", "s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await until(
            pilot, lambda: "last words" in "\n".join(s.text for s in app.screen.query_one("#log-keras", LogPane).lines)
        )
        screen = app.export_screenshot()
        assert "\x1b" not in screen


async def test_logs_are_searched_scrolled_and_copied(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "garbage@3")
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s", "l")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await until(pilot, lambda: "last words" in log_of(app, "keras") and "the run ended" in log_of(app, "keras"))
        lines = len(log_of(app, "keras").splitlines())
        await pilot.press("slash", *"WORDS")
        await until(pilot, lambda: len(log_of(app, "keras").splitlines()) < lines)
        assert "last words" in log_of(app, "keras")
        assert app.train_screen.view.cursor is None
        await pilot.press("enter", "ctrl+y")
        assert set(app.clipboard.splitlines()) == {line for line in app.clipboard.splitlines() if "words" in line}
        await pilot.press("slash", "escape")
        await until(pilot, lambda: len(log_of(app, "keras").splitlines()) == lines)
        await pilot.press("pageup", "pagedown", "end")
        await pilot.press("l")
        assert app.train_screen.check_action("copy_logs", ()) is None


async def test_logs_are_wrapped_for_the_width_that_they_have(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (160, 40)) as (app, pilot):
        await pilot.press("s", "l")
        await until(pilot, lambda: "the run ended" in log_of(app, "keras"))
        await pilot.resize_terminal(80, 40)
        pane = app.screen.query_one("#log-keras", LogPane)
        await until(pilot, lambda: pane.size.width < 40 and pane.virtual_size.width <= pane.size.width)
        assert "the run ended" in log_of(app, "keras")


async def test_charts_by_keys(tmp_path: Path, small_mnist: Path) -> None:
    """Axis, scale, smoothing, cursor, zoom, pan and reset change the chart or its heading."""
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        chart = "#panel-keras #loss"
        await until(pilot, lambda: " step└" in drawn(app, chart))
        states = [drawn(app, chart)]
        for key, state in (
            ("y", "loss · log ─"),
            ("y", "loss · linear ─"),
            ("v", "mean of 10 %"),
            ("v", "not smoothed"),
            ("v", "mean of 2 %"),
            ("v", "loss · linear ─"),
            ("X", "by epoch"),
            ("X", "by time"),
            ("X", "loss · linear ─"),
        ):
            await pilot.press(key)
            await pilot.pause()
            assert state in heading(app, chart), key
            states.append(drawn(app, chart))
        assert not app._notifications, "the headings say it, without a message over the screen"
        assert " step└" in states[0]
        assert "epoch└" in states[-3]
        assert "  sec└" in states[-2]
        await pilot.press("left", "left", "left")
        await pilot.pause()
        assert "┊" in drawn(app, chart)
        assert "┊" in drawn(app, "#panel-pytorch #accuracy"), "one cursor for all charts"
        assert any(at in heading(app, chart) for at in ("step 19", "step 18"))
        before = drawn(app, chart)
        await pilot.press("plus", "plus")
        await pilot.pause()
        assert drawn(app, chart) != before
        await pilot.press("shift+left")
        assert app.train_screen.view.right is not None
        await pilot.press("shift+right", "shift+right", "shift+right", "shift+right")
        assert app.train_screen.view.right is None, "it follows the newest step again"
        await pilot.press("minus", "minus", "escape")
        assert app.train_screen.view.span is None
        assert app.train_screen.view.cursor is None


async def test_charts_by_mouse(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        chart = app.screen.query_one("#panel-keras #loss", LineChart)
        await hover_until(pilot, chart, (20, 3), lambda: "┊" in drawn(app, "#panel-pytorch #loss"))
        chart.post_message(
            MouseScrollUp(chart, 20, 3, 0, -1, 0, shift=False, meta=False, ctrl=False, screen_x=20, screen_y=3)
        )
        await until(pilot, lambda: app.train_screen.view.span is not None)
        for elsewhere, offset in (
            ("#panel-keras #loss", (20, 0)),
            ("#header", (0, 0)),
        ):  # a heading is no part of the plot
            await hover_until(pilot, elsewhere, offset, lambda: app.train_screen.view.cursor is None)
            await hover_until(pilot, chart, (20, 3), lambda: app.train_screen.view.cursor is not None)


@pytest.mark.parametrize("size", [*SIZES, (50, 12)])
async def test_overlay_and_maximise(size: tuple[int, int], tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, size) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        for key, shown, hidden in (
            ("m", "#overlay-loss-chart", "#panel-keras #loss"),
            ("m", "#overlay-accuracy-chart", "#overlay-loss-chart"),
        ):
            await pilot.press(key)
            await until(pilot, lambda shown=shown: has_curve(app, shown))  # type: ignore[misc]
            assert not app.screen.query_one(hidden).region.height
        await pilot.press("m")
        await until(pilot, lambda: not app.screen.query_one("#overlay").region.height)
        await pilot.press("o")
        if size[1] > 20:
            await until(pilot, lambda: has_curve(app, "#overlay-loss-chart"))
            legend = heading(app, "#overlay-loss-chart")
            assert "●" in legend
            assert "◆" in legend
            assert app.screen.query_one("#panel-keras #status").region.height
        await pilot.press("o")
        await until(pilot, lambda: not app.screen.query_one("#overlay").region.height)


async def test_a_missing_framework_shows_what_to_install(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "missing")
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["failed", "failed"])
        await until(pilot, lambda: "pip install torch" in notice_of(app, "pytorch"))
        await until(pilot, lambda: "pip install tensorflow keras" in notice_of(app, "keras"))


@pytest.mark.fault("disk", "a runs folder that can't be written")
async def test_an_unwritable_runs_folder_is_reported_and_training_continues(tmp_path: Path, small_mnist: Path) -> None:
    (tmp_path / "runs").write_text("a file is in the way")
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await until(pilot, lambda: "not kept" in text_of(app, "#machine"))


async def test_every_engine_has_a_pane(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist) as (app, _):
        panels = list(app.screen.query(EnginePanel))
        assert [panel.engine for panel in panels] == ["pytorch", "keras"]


async def test_a_diverged_run_is_reported_in_its_pane(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "nan@5")
    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["diverged", "diverged"])
        await until(pilot, lambda: "Diverged: the loss was nan at step" in notice_of(app, "keras"))


async def test_a_waiting_engine_names_the_engine_it_waits_for(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, epochs=1000, mode="time-trial") as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        await pilot.press("s")
        await until(pilot, lambda: app.session.histories["pytorch"].phase == "training")
        await until(pilot, lambda: "its turn comes after PyTorch" in text_of(app, "#panel-keras #status"))
        assert "time trial" in text_of(app, "#race")
        await pilot.press("x")
        await until(pilot, lambda: app.session.histories["pytorch"].phase == "stopped")
        await until(pilot, lambda: "press s" in text_of(app, "#panel-keras #status"))
        assert not app.session.running, "a stop ends the series"
        (folder,) = (tmp_path / "runs").iterdir()
        await until(pilot, (folder / "summary.json").is_file)
        assert json.loads((folder / "summary.json").read_text()).keys() == {"pytorch", "comparison"}
        assert violations(event for event in read_events(folder / "events.jsonl") if event.engine == "pytorch") == []


async def test_the_race_shows_the_verdict(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (200, 60)) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        await until(pilot, lambda: "statistical tie, p = 1.000" in text_of(app, "#race"))
        assert "shared CPU: times not comparable" in text_of(app, "#race")


async def test_the_key_bar_is_clickable_and_drops_disabled_keys_first(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (80, 24)) as (app, pilot):
        await until(pilot, lambda: phases(app) == ["ready", "ready"])
        keys = app.screen.query_one(KeyBar)
        await pilot.click(KeyBar, offset=(keys.line(80).plain.index("Log"), 0))
        await until(pilot, lambda: app.train_screen.check_action("copy_logs", ()) is True)
        assert "Pause" in keys.line(80).plain, "disabled, but there is room"
        assert "Pause" not in keys.line(50).plain
        assert "Start" in keys.line(50).plain
        for width in (0, 1, 5, 50, 80, 300):
            assert keys.line(width).cell_len <= width


async def test_the_difference_of_the_recorded_run_is_around_zero() -> None:
    async with shown(400.0, (120, 40), "mnist-dark", "O") as app:
        chart = "#overlay-accuracy-chart"
        assert heading(app, chart) == "train +0.00 points  test -0.01 points"
        assert "   0%┤" in drawn(app, chart)
        assert app.screen.query_one("#overlay-accuracy", Widget).border_title == "accuracy: Keras − PyTorch"
        app.train_screen.action_overlay()
        assert app.train_screen.layout_name == "overlaid"


@pytest.mark.parametrize(
    "size",
    [(20, 8), (24, 10), (30, 10), (34, 12), (40, 10), (46, 12), (50, 12), (56, 14), (59, 14), (60, 15),
     (64, 16), (72, 20), (80, 24), (90, 24), (100, 30), (110, 32), (120, 40), (140, 40), (160, 50), (200, 60)],
    ids=str,
)  # fmt: skip
async def test_nothing_important_is_cut(size: tuple[int, int]) -> None:
    """At 60x15, the test accuracy of an overlay was once "9"."""
    async with shown(400.0, size) as app:
        for engine, history in app.session.histories.items():
            _fill_with_nines(history)
            panel = app.screen.query_one(f"#panel-{engine}", EnginePanel)
            app.train_screen.show_frame(set(app.session.histories), True)
            width = panel.content_size.width
            accuracy, speed = heading(app, f"#panel-{engine} #accuracy"), str(panel._status._lines[2])
            if width >= 10:
                assert "99.99" in accuracy
                assert len(accuracy) <= width
                assert len(speed) <= width
                assert len(str(panel._status._lines[0])) <= width
        app.train_screen.set_layout("overlaid")
        await until(Pilot(app), lambda: len(overlaid_charts(app)) == 2)
        app.train_screen.show_frame(set(app.session.histories), True)
        for chart in overlaid_charts(app):
            for text in chart.headings if chart.size.width else ():
                assert text.cell_len <= chart.size.width


def overlaid_charts(app: MnistApp) -> list[LineChart]:
    return list(app.screen.query("Overlay LineChart").results(LineChart))


def _fill_with_nines(history: RunHistory) -> None:
    """Give a run the widest figures that it could have."""
    assert history.progress is not None
    assert history.worker is not None
    assert history.started is not None
    history.evaluations[-1] = dataclasses.replace(history.evaluations[-1], accuracy=0.9999, epoch=99)
    history.progress = dataclasses.replace(history.progress, samples_per_sec=999_999.0)
    history.worker = dataclasses.replace(history.worker, import_seconds=99.99)
    history.first_step_seconds = 99.99
    history.started = dataclasses.replace(history.started, num_threads=99, steps_per_epoch=999)
