"""Replays: pausing, seeking and speed; the screen depends on the position alone; the demo needs no framework."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engines.messages.codec import encode
from engines.messages.events import Event, LogLine, RunRequested
from engines.runs.reader import read_events, read_run
from engines.session.replay import DEMO, Replay
from tests.support.pilot import opened, phases, screen_text, until
from tests.support.terminal import Terminal
from tui import formatting
from tui.app import MnistApp
from tui.frame_clock import CURVES_EVERY
from tui.widgets.log_pane import LogPane


class Clock:
    """A clock that stands until a test sets it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """Return the events of the demo."""
    return list(read_events(DEMO))


def test_a_player_plays_pauses_seeks_and_changes_speed(events: list[Event]) -> None:
    clock = Clock()
    replay = Replay(events, clock=clock)
    start = replay.now()
    clock.seconds = 10
    assert replay.now() == start + 10
    replay.toggle()
    clock.seconds = 50
    assert replay.now() == start + 10
    assert (formatting.clock(replay.length_seconds), replay.playback) == ("02:07", "paused")
    replay.toggle()
    replay.change_speed(1)
    clock.seconds = 51
    assert replay.now() == start + 12
    replay.change_speed(99)
    assert replay.speed_label == "100x"
    replay.change_speed(-99)
    assert replay.speed_label == "0.1x"
    at = replay.now()
    clock.seconds = 61
    assert replay.now() == pytest.approx(at + 1)
    replay.change_speed(-1)
    assert replay.speed_label == "0.1x"
    replay.change_speed(2)
    assert replay.speed_label == "0.5x"
    replay.seek(-1000)
    assert replay.now() == start
    replay.seek(1e9)
    assert replay.playback == "end"
    replay.toggle()
    assert replay.now() == start
    replay.seek_epoch(1)
    first = replay.now()
    replay.seek_epoch(1)
    assert start < first < replay.now()
    replay.seek_epoch(-1)
    assert replay.now() == first


def test_an_empty_recording_can_be_played() -> None:
    replay = Replay([], clock=Clock())
    for press in (replay.toggle, lambda: replay.seek(5), lambda: replay.seek_epoch(1), lambda: replay.seek_epoch(-1)):
        press()
        assert replay.drain() == set()


def of_jax(events: list[Event]) -> list[Event]:
    """Return the events as those of an engine that this version does not have."""
    return [replace(event, engine="jax") for event in events]


def test_an_unknown_engine_is_dropped(events: list[Event], tmp_path: Path) -> None:
    later = [*events, *of_jax(events)]
    assert list(Replay(later).histories) == ["pytorch", "keras"]
    path = tmp_path / "events.jsonl"
    path.write_text("".join(encode(event) + "\n" for event in later), encoding="utf-8")
    assert set(read_run(tmp_path)[0]) == {"pytorch", "keras"}


def test_a_saved_run_has_its_engines_in_display_order(events: list[Event], tmp_path: Path) -> None:
    """Whichever sent the first event: cards and exports agree with the app."""
    keras_first = sorted(events, key=lambda event: event.engine != "keras")
    (tmp_path / "events.jsonl").write_text("".join(encode(event) + "\n" for event in keras_first), encoding="utf-8")
    assert list(read_run(tmp_path)[0]) == ["pytorch", "keras"]


async def test_every_screen_opens_on_a_recording_of_unknown_engines(events: list[Event]) -> None:
    app = MnistApp(session=Replay(of_jax(events)))
    async with app.run_test(size=(120, 40)) as pilot:
        assert not app.session.histories
        for tab in ("2 Code", "3 Draw", "4 Results", "5 Runs", "6 Inside", "1 Train"):
            await pilot.press(tab[0])
            app.draw_frame()
            await until(pilot, lambda tab=tab: f"[{tab}]" in screen_text(app))  # type: ignore[misc]
            await pilot.press("tab", "enter", "right", "escape")


async def screen_after(events: list[Event], moves: list[float]) -> str:
    """Return the screen after those seeks, with a frame after each."""
    app = MnistApp(session=Replay(events, clock=Clock()))
    async with app.run_test(size=(120, 40)) as pilot:
        for seconds in moves:
            app.action_seek(seconds)
            for _ in range(CURVES_EVERY):
                app.draw_frame()
                await pilot.pause()
        app.train_screen.show_frame(set(app.session.histories), True)
        await pilot.pause()
        return screen_text(app)


async def test_the_screen_depends_on_the_position_alone(events: list[Event]) -> None:
    direct = await screen_after(events, [90.0])
    assert await screen_after(events, [40.0, 50.0]) == direct
    assert await screen_after(events, [120.0, -30.0]) == direct
    assert await screen_after(events, [1000.0, -1000.0, 90.0]) == direct


async def test_keys_control_the_player(events: list[Event]) -> None:
    app = MnistApp(session=Replay(events, clock=Clock()))
    async with app.run_test(size=(120, 40)) as pilot:
        assert isinstance(app.session, Replay)
        start = app.session.now()
        await pilot.press("space", "full_stop", "full_stop", "comma")
        assert (app.session.paused, app.session.now()) == (True, start + 5)
        await pilot.press("greater_than_sign")
        assert app.session.speed_label == "2x"
        await pilot.press("right_square_bracket")
        assert app.session.now() > start + 5
        footer = screen_text(app).splitlines()[-1]
        assert "Faster" in footer
        for screen in "2341":
            await pilot.press(screen)


async def test_after_seeking_back_a_log_holds_each_line_once(events: list[Event]) -> None:
    start = Replay(events, clock=Clock()).now()
    lines = [LogLine(engine="keras", seq=0, t=start + i, stream="stdout", text=f"line {i}") for i in range(100)]
    app = MnistApp(session=Replay([*events, *lines], clock=Clock()))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("l")
        await pilot.pause()
        pane = app.screen.query_one("#log-keras", LogPane)

        def after(seconds: float) -> list[str]:
            app.action_seek(seconds)
            app.apply_events()
            pane.show_log(app.session.histories["keras"])
            return [strip.text.split()[-1] for strip in pane.lines if " line " in strip.text]

        assert after(50.5) == [str(i) for i in range(51)]
        assert after(-30) == [str(i) for i in range(21)]
        assert f"{app.session.histories['keras'].log_count} lines" in str(pane.border_subtitle)
        assert after(10) == [str(i) for i in range(31)]


_WITHOUT_FRAMEWORKS = """
import sys
for name in ("torch", "torchvision", "tensorflow", "keras"):
    sys.modules[name] = None
from tui.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_demo_needs_no_framework(tmp_path: Path) -> None:
    terminal = Terminal([sys.executable, "-c", _WITHOUT_FRAMEWORKS, "replay", "demo", "--speed", "max"], tmp_path)
    terminal.wait_until_finished()
    assert any("RECORDED" in line and "both · cpu · reference" in line for line in terminal.screen.display)
    terminal.send("4")
    terminal.wait_for("Statistical tie")
    terminal.send("3")
    terminal.wait_for("Draw a digit")
    terminal.send("\r" + 8 * "\x1b[B")
    terminal.wait_for("AGREE: both read 1")
    terminal.send("q")
    assert terminal.wait_for_exit() == 0


async def test_a_recording_looks_like_the_run(tmp_path: Path, small_mnist: Path) -> None:
    """Cell by cell, except for the badge, the keys, and the usage of workers, which outlive their run."""

    async def settled(app: MnistApp, pilot: Pilot[None]) -> list[str]:
        for _ in range(CURVES_EVERY):
            app.draw_frame()
            await pilot.pause()
        app.train_screen.show_frame(set(app.session.histories), True)
        await pilot.pause()
        lines = screen_text(app).splitlines()[1:-1]
        return [line for line in lines if not any(word in line for word in ("CPU", "GPU", "race", "machine"))]

    async with opened(tmp_path, small_mnist) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["finished", "finished"])
        live = await settled(app, pilot)
    (path,) = (tmp_path / "runs").glob("*/events.jsonl")
    played = MnistApp(session=Replay(list(read_events(path)), speed=1e9))
    async with played.run_test(size=(120, 40)) as pilot:
        assert await settled(played, pilot) == live


def test_an_engine_that_starts_later_says_when() -> None:
    """In a time trial, the second engine's run is requested when the first has ended."""
    events = list(read_events(DEMO))
    first = min(event.t for event in events if isinstance(event, RunRequested))
    late = [replace(event, t=event.t + 100.0) if event.engine == "keras" else event for event in events]
    clock = Clock()
    replay = Replay(late, clock=clock)
    replay.drain()
    started = next(event.t for event in late if isinstance(event, RunRequested) and event.engine == "keras")
    assert replay.starts_at("keras") == pytest.approx(started - first)
    assert replay.starts_at("pytorch") is None
    clock.seconds = 200.0
    replay.drain()
    assert replay.starts_at("keras") is None
