"""The tour: its chapters in order, back and hold, a booth, and leaving. The clock stands until a test moves it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from engines.messages.events import Event
from engines.runs.reader import read_events
from engines.session.replay import DEMO, Replay
from tests.support.pilot import key_bar_of, screen_text, until
from tests.support.terminal import Terminal
from tui.screens.draw import DrawScreen
from tui.screens.inside import InsideScreen
from tui.screens.parity import ParityScreen
from tui.screens.train import TrainScreen
from tui.tour.app import TourApp
from tui.tour.chapters import DEMO_TOUR, Chapter, Tour, read_tour
from tui.tour.clock import TourClock

BOOTH = (80, 24)


class Clock:
    """A clock that stands until a test sets it."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(scope="module")
def events() -> list[Event]:
    """Return the events of the demo."""
    return list(read_events(DEMO))


@asynccontextmanager
async def touring(
    events: list[Event], tour: Tour | None = None, size: tuple[int, int] = BOOTH, *, auto: bool = False
) -> AsyncIterator[tuple[TourApp, Pilot[None], Clock]]:
    """Open a tour, by default the shipped one, in its first chapter; yield also the clock."""
    clock = Clock()
    tour_clock = TourClock(clock=clock)
    replay = Replay(events, clock=tour_clock, folder=DEMO.parent)
    app = TourApp(tour or read_tour(DEMO_TOUR), replay, tour_clock, auto=auto)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: in_chapter(app, 0))
        yield app, pilot, clock


def in_chapter(app: TourApp, index: int) -> bool:
    """Return whether a chapter's caption and screen are shown."""
    lines = screen_text(app).splitlines()
    is_shown = len(lines) > 2 and app.chapter.caption in lines[-2]
    return app.index == index and app.has_begun and is_shown


def cut_off(app: TourApp) -> list[str]:
    """Return what of Draw and Inside is not whole on the screen."""
    if not isinstance(app.screen, DrawScreen | InsideScreen):
        return []
    rows = app.size.height - app.screen.bar_rows
    shown = app.screen.query("PredictionBars TextLine, .strip, .large, #caption, #label")
    return [f"{widget} {widget.region}" for widget in shown if widget.size and widget.region.bottom > rows]


async def jump(app: TourApp, pilot: Pilot[None], index: int) -> None:
    """Enter a chapter, as the keys do."""
    app.call_later(app.show_chapter, index)
    await until(pilot, lambda: in_chapter(app, index))


def state(app: TourApp) -> tuple[object, ...]:
    """Return what a chapter is made of: screen, time, layout or view, and the drawing."""
    screen = app.screen
    view = screen.layout_name if isinstance(screen, TrainScreen) else getattr(screen, "view", None)
    image = None if app.drawing.image is None else app.drawing.image.tobytes()
    return app.index, type(screen), round(app.session.now(), 6), app.session.playback, view, image


async def settle(app: TourApp, pilot: Pilot[None], clock: Clock) -> None:
    """Let the chapter's digit be drawn."""
    clock.seconds += 5.0
    await until(pilot, lambda: app._pressed == len(app._pen_keys))
    await pilot.pause()


async def test_the_chapters_come_in_their_order_and_are_the_same_when_entered_from_behind(events: list[Event]) -> None:
    captions, states = [], []
    async with touring(events) as (app, pilot, clock):
        last, start = len(app.tour.chapters) - 1, Replay(events).now()
        for index, chapter in enumerate(app.tour.chapters):
            await until(pilot, lambda index=index: in_chapter(app, index))  # type: ignore[misc]
            captions.append(screen_text(app).splitlines()[-2].removeprefix("▌ ").rstrip())
            assert app.key_remark.strip() == f"{index + 1} of {len(app.tour.chapters)}"
            clock.seconds += chapter.seconds - 0.1
            await app.advance()
            await pilot.pause()
            states.append(state(app))
            assert app.index == index
            assert cut_off(app) == []
            at = chapter.time + chapter.speed * (chapter.seconds - 0.1)
            assert app.session.now() - start == pytest.approx(min(at, app.session.length_seconds), abs=0.01)
            clock.seconds += 0.2
        await app.advance()
        assert app.index == last, "the last chapter stays"
        assert {"loss", "accuracy", "overlaid", "saliency", "confusion"} <= {shown[4] for shown in states}, "keys"
        for index in range(last - 1, -1, -1):
            await pilot.press("backspace")
            await until(pilot, lambda index=index: in_chapter(app, index))  # type: ignore[misc]
            clock.seconds += app.chapter.seconds - 0.1
            await app.advance()
            await pilot.pause()
            assert state(app) == states[index]
        await pilot.press("backspace")
        await until(pilot, lambda: in_chapter(app, 0))
        await pilot.press("space")
        await until(pilot, lambda: in_chapter(app, 1))
    assert captions == [chapter.caption for chapter in read_tour(DEMO_TOUR).chapters]


async def test_a_held_tour_stands_still(events: list[Event]) -> None:
    async with touring(events) as (app, pilot, clock):
        clock.seconds = 2.0
        await pilot.press("p")
        assert "held" in key_bar_of(app)
        now = app.session.now()
        clock.seconds = 1000.0
        await app.advance()
        assert (app.index, app.session.now()) == (0, now)
        await pilot.press("p")
        assert "held" not in key_bar_of(app)
        await app.advance()
        assert (app.index, app.session.now()) == (0, now)
        clock.seconds += 10.1
        await until(pilot, lambda: in_chapter(app, 1))
        await pilot.press("p", "space")
        await until(pilot, lambda: in_chapter(app, 2))
        assert "held" not in key_bar_of(app), "the next chapter plays"
        assert not app.clock.held


async def test_a_seven_is_read_wrong_before_training_and_right_after_it(events: list[Event]) -> None:
    tour = read_tour(DEMO_TOUR)
    draws = [index for index, chapter in enumerate(tour.chapters) if chapter.screen == "draw"]
    async with touring(events, size=(120, 40)) as (app, pilot, clock):
        for index, expected in zip(draws, ("BOTH_WRONG", "AGREE: both read 7"), strict=True):
            await jump(app, pilot, index)
            await settle(app, pilot, clock)
            assert isinstance(app.screen, DrawScreen)
            if expected == "BOTH_WRONG":
                read = next(
                    word for word in tour.chapters[index].caption.rstrip(".").split() if word in set("0123456789")
                )
                await until(pilot, lambda read=read: f"AGREE: both read {read}" in screen_text(app))  # type: ignore[misc]
                assert read != "7"
                for history in app.session.histories.values():
                    probabilities = app.screen.predictions.probabilities(history)
                    assert max(abs(probability - 0.1) for probability in probabilities) < 0.01, "about 10 %"
                assert "before its first step" in screen_text(app)
            else:
                await until(pilot, lambda: "AGREE: both read 7" in screen_text(app))
                assert "final weights" in screen_text(app)


async def test_both_networks_are_the_same_before_their_first_step(events: list[Event]) -> None:
    async with touring(events, size=(120, 40)) as (app, pilot, _):
        inside = [index for index, chapter in enumerate(app.tour.chapters) if chapter.screen == "inside"]
        await jump(app, pilot, inside[0])
        assert isinstance(app.screen, InsideScreen)
        await until(pilot, lambda: "The same network twice" in screen_text(app))
        await jump(app, pilot, inside[1])
        await until(pilot, lambda: "After the same steps" in screen_text(app))


@pytest.mark.parametrize("width", [44, 60, 79])
async def test_a_narrow_terminal_has_a_caption_on_several_lines(width: int, events: list[Event]) -> None:
    caption = "Nothing is learnt yet: each digit gets about 10 %. This seven is read as a 0."
    tour = Tour(chapters=(Chapter(screen="train", time=0.0, caption=caption),))
    app = TourApp(tour, Replay(events), TourClock())
    async with app.run_test(size=(width, 20)) as pilot:
        await until(pilot, lambda: app.has_begun and "space Next" in screen_text(app))
        lines = screen_text(app).splitlines()
        assert " ".join(line.removeprefix("▌ ") for line in lines if line.startswith("▌ ")) == caption
        assert lines[-1].startswith("space Next")


async def test_the_proof_is_recorded(events: list[Event]) -> None:
    tour = Tour(chapters=(Chapter(screen="proof", time=0.0, caption="The proof."),))
    async with touring(events, tour, (120, 40)) as (app, pilot, _):
        assert isinstance(app.screen, ParityScreen)
        await until(pilot, lambda: "Same experiment: " in screen_text(app))
        assert "1,199,882 and 1,199,882" in screen_text(app)
        assert "full epoch" not in key_bar_of(app)


async def test_a_booth_starts_over_until_a_key_is_pressed(events: list[Event]) -> None:
    chapters = tuple(Chapter(screen="train", time=float(i), caption=f"Chapter {i}.") for i in range(2))
    async with touring(events, Tour(chapters=chapters), auto=True) as (app, pilot, clock):
        for index in (1, 0, 1, 0):
            clock.seconds += 12.0
            await until(pilot, lambda index=index: in_chapter(app, index))  # type: ignore[misc]
        assert len(app._screen_stacks) <= 2, "the screens of past chapters are gone: a booth is open all day"
        assert "any key" in key_bar_of(app)
        await pilot.press("x")
        assert app._exiting
    assert app.return_code == 0


async def test_only_the_keys_of_the_tour_do_something(events: list[Event]) -> None:
    async with touring(events) as (app, pilot, _):
        assert key_bar_of(app).split("  ")[0] == "space Next bksp Back p Hold q Leave"
        before = state(app)
        await pilot.press("s", "2", "x", "e", "o", "question_mark", "comma", "ctrl+p")
        await pilot.click("#header", offset=(10, 0))
        assert state(app) == before
        await pilot.press("q")
        assert app._exiting
    assert app.return_code == 0


def test_a_clock_runs_faster_and_is_held() -> None:
    real = Clock()
    clock = TourClock(4.0, real)
    real.seconds = 2.0
    assert clock() == 8.0
    clock.toggle()
    real.seconds = 9.0
    assert (clock(), clock.held) == (8.0, True)
    clock.toggle()
    real.seconds = 10.0
    assert (clock(), clock.held) == (12.0, False)


_WITHOUT_FRAMEWORKS = """
import sys
for name in ("torch", "torchvision", "tensorflow", "keras"):
    sys.modules[name] = None
from tui.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_tour_needs_no_framework_and_restores_the_terminal(tmp_path: Path) -> None:
    terminal = Terminal([sys.executable, "-c", _WITHOUT_FRAMEWORKS, "tour", "--speed", "0.01"], tmp_path, BOOTH)
    for chapter in read_tour(DEMO_TOUR).chapters[:3]:
        terminal.wait_for(chapter.caption)
        terminal.send(" ")
    terminal.send("q")
    assert terminal.wait_for_exit() == 0
    assert terminal.is_restored
