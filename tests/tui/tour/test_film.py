"""A film of `mnist-tui tour --auto`, made in virtual time."""

from __future__ import annotations

import json
from pathlib import Path

import pyte

from engines.api import DEMO, Replay
from tests.support.recording import demo_events
from tui.screencast import asciicast
from tui.screencast.recorder import record
from tui.screencast.virtual_time import VirtualTimeLoop
from tui.tour.app import TourApp
from tui.tour.chapters import DEMO_TOUR, read_tour
from tui.tour.clock import TourClock

SIZE = (80, 24)
SPEED = 24.0


def test_a_terminal_that_plays_the_film_shows_every_caption_in_order(tmp_path: Path) -> None:
    """Played by a terminal, the cast of a booth shows all captions one after the other, and after the last one the first."""
    tour, loop = read_tour(DEMO_TOUR), VirtualTimeLoop()
    clock = TourClock(SPEED, loop.time)
    replay = Replay(demo_events(), clock=clock, folder=DEMO.parent)
    seconds = sum(chapter.seconds for chapter in tour.chapters) / SPEED + 1.0
    film = record(TourApp(tour, replay, clock, auto=True), loop, SIZE, seconds, fps=5)
    asciicast.write(film, tmp_path / "tour.cast", title="tour", timestamp=0)

    screen = pyte.Screen(*SIZE)
    stream = pyte.Stream(screen)
    captions = [chapter.caption for chapter in tour.chapters]
    shown: list[str] = []
    for line in (tmp_path / "tour.cast").read_text(encoding="utf-8").splitlines()[1:]:
        stream.feed(json.loads(line)[2])
        caption = screen.display[-2].removeprefix("▌").strip()
        if caption in captions and caption not in shown[-1:]:
            shown.append(caption)
    first = captions.index(shown[0])  # at this speed, a chapter may be over before the first frame
    assert shown == [captions[(first + i) % len(captions)] for i in range(len(shown))]
    assert len(shown) > len(captions)
