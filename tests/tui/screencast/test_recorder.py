from __future__ import annotations

from pathlib import Path

import pytest
from textual.app import App, ComposeResult
from textual.widgets import Static

from engines.api import DEMO, read_events
from tests.tui.screencast.conftest import FPS, SECONDS, SIZE, Filmed, film
from tui.frame_clock import FrameClock
from tui.screencast import replay
from tui.screencast.recorder import Screencast, record
from tui.screencast.virtual_time import VirtualTimeLoop


def text_of(screencast: Screencast, number: int) -> str:
    rows = screencast.frames[number].rows
    return "\n".join("".join(text for text, _ in row).rstrip() for row in rows) + "\n"


def test_frames_are_what_the_app_draws(filmed: Filmed) -> None:
    """At 80 columns, the film has Train, then the curves together, then Draw."""
    screencast, texts = filmed
    shown = {frame.t: text_of(screencast, i) for i, frame in enumerate(screencast.frames)}
    for number, text in enumerate(texts):
        last = max(t for t in shown if t <= number / FPS + 1e-9)
        assert shown[last] == text, number
    assert "[1 Train]" in texts[0]
    assert "training" in texts[0]
    assert texts[0] != texts[4]
    assert "Draw a digit" in texts[-1]
    assert screencast.size == SIZE
    assert screencast.seconds == SECONDS
    assert len(texts) == SECONDS * FPS


def test_frames_are_the_same_on_every_machine(filmed: Filmed) -> None:
    """A film that is made again, at another real speed, is the same."""
    again = film().screencast
    assert [text_of(again, i) for i in range(len(again.frames))] == [
        text_of(filmed.screencast, i) for i in range(len(filmed.screencast.frames))
    ]
    equal = again.frames == filmed.screencast.frames
    assert equal, "the styles differ"  # not the frames: pytest would search their difference for minutes


def test_equal_frames_are_left_out() -> None:
    class Counter(App[None]):
        def compose(self) -> ComposeResult:
            yield Static("0")

        def on_key(self) -> None:
            self.query_one(Static).update("1")

    screencast = record(Counter(), VirtualTimeLoop(), (20, 3), 3.0, fps=4, keys=[(1.1, "a")])
    assert [frame.t for frame in screencast.frames] == [0, 1.25]
    assert [text_of(screencast, i)[0] for i in (0, 1)] == ["0", "1"]
    assert screencast.frames[0].rows[1] is screencast.frames[1].rows[1]


def test_a_film_ends_with_its_app() -> None:
    class Ending(App[None]):
        def on_key(self) -> None:
            self.exit()

    screencast = record(Ending(), VirtualTimeLoop(), (20, 3), 1e6, keys=[(0.5, "q")])
    assert screencast.seconds == pytest.approx(0.5, abs=0.2)
    assert len(screencast.frames) == 1


def test_a_failing_app_is_reported() -> None:
    class Failing(App[None]):
        def on_key(self) -> None:
            raise KeyError("broken")

    with pytest.raises(KeyError, match="broken"):
        record(Failing(), VirtualTimeLoop(), (20, 3), 9.0, keys=[(0.5, "q")])


def test_speed_and_length_of_a_run(tmp_path: Path) -> None:
    """Without a speed, a long run takes half a minute, a short one plays at its own speed, also one that was cut off."""
    lengths: dict[int | None, float] = {}
    events = DEMO.read_text(encoding="utf-8").splitlines()
    for count in (None, 60):
        recording = tmp_path / f"{count}.jsonl"
        recording.write_text("\n".join(events[:count]), encoding="utf-8")
        t = [event.t for event in read_events(recording)]
        screencast = replay.record_replay(recording, size=(20, 8), fps=1)
        lengths[count] = screencast.seconds
        assert max(t) > min(t)
    assert lengths[None] is not None
    assert 20 < lengths[None] <= replay.MAX_SECONDS
    assert lengths[60] < 20


def test_the_app_measures_lateness_on_the_virtual_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, its ticks come late by the real clock, and it would draw fewer frames."""
    times: list[float] = []
    is_due = FrameClock.is_due

    def spy(clock: FrameClock, now: float) -> bool:
        times.append(now)
        return is_due(clock, now)

    monkeypatch.setattr(FrameClock, "is_due", spy)
    replay.record_replay(DEMO, size=(20, 8), speed=1000, fps=1)
    assert times == pytest.approx([0.1 * (i + 1) for i in range(len(times))], abs=0.02)
    assert len(times) > 20
