"""A line about the runs, for the window's title and for a notice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engines.api import RunHistory, RunSource
from engines.messages.events import Event, RunFailed, RunFinished, RunPaused
from engines.session.replay import Replay
from tests.support.recording import demo_events
from tests.support.run_events import life
from tui import run_status


class FakeSource(RunSource):
    """A live session that shows these histories."""

    def __init__(self, waiting: str = "", **events: list[Event]) -> None:
        """Apply the events of each engine; the engine that waits for its turn is `waiting`."""
        self.histories = {engine: RunHistory(engine) for engine in ("pytorch", "keras")}
        self.engines = tuple(events)
        self._waiting = waiting
        for engine, its in events.items():
            for event in its:
                self.histories[engine].apply(replace(event, engine=engine))

    @property
    def running(self) -> bool:
        return bool(self._waiting)

    def waiting_for(self, engine: str) -> str:
        return "its turn" if engine == self._waiting else ""


def until_step(step: int) -> list[Event]:
    """Return the life of a run of eight steps until this one is done."""
    events = life()
    return events[: 1 + next(i for i, event in enumerate(events) if getattr(event, "global_step", 0) == step)]


def ended(outcome: str) -> list[Event]:
    """Return the life of a run with another end."""
    *events, finished = life()
    assert isinstance(finished, RunFinished)
    return [*events, replace(finished, outcome=outcome)]


FAILURE = RunFailed(engine="keras", t=31.0, kind="crashed", message="gone", hint="")
PAUSE = RunPaused(engine="keras", t=30.0)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (FakeSource(), ""),
        (FakeSource(keras=life()[:1]), "0 %"),
        (FakeSource(keras=until_step(2)), "25 %"),
        (FakeSource(pytorch=until_step(2), keras=until_step(6)), "50 % · Keras 97.5 %"),
        (FakeSource(pytorch=life(), keras=until_step(4)), "75 % · PyTorch 99.2 %"),
        (FakeSource(pytorch=[*until_step(2), FAILURE], keras=until_step(6)), "75 % · PyTorch failed, Keras 97.5 %"),
        (FakeSource(keras=[*until_step(6), PAUSE]), "paused at 75 % · Keras 97.5 %"),
        (FakeSource(pytorch=until_step(6), keras=[*until_step(6), PAUSE]), "75 % · PyTorch 97.5 %, Keras 97.5 %"),
        (FakeSource("keras", pytorch=until_step(4), keras=[]), "25 %"),
        (FakeSource("keras", pytorch=life(), keras=[]), "50 % · PyTorch 99.2 %"),
        (FakeSource("keras", pytorch=life(), keras=life()), "50 % · PyTorch 99.2 %"),  # Keras' run before
        (FakeSource(pytorch=life(), keras=life()), "completed · PyTorch 99.2 %, Keras 99.2 %"),
        (FakeSource(pytorch=life(), keras=ended("stopped")), "stopped · PyTorch 99.2 %, Keras 99.2 %"),
        (FakeSource(keras=ended("target-reached")), "target reached · Keras 99.2 %"),
        (FakeSource(keras=ended("diverged")), "diverged · Keras diverged"),
        (FakeSource(pytorch=life(), keras=[*life()[:-1], FAILURE]), "failed · PyTorch 99.2 %, Keras failed"),
    ],
)  # fmt: skip
def test_the_line_has_the_progress_or_the_end_and_each_frameworks_accuracy(source: RunSource, text: str) -> None:
    assert run_status.line(source) == text


def test_a_recording_that_is_played_has_no_line() -> None:
    replay = Replay(demo_events())
    for moment in (20.0, 1e6):
        replay.play_from(moment, 1.0)
        replay.drain()
        assert run_status.line(replay) == ""
        assert not run_status.is_under_way(replay)
    assert all(history.finished for history in replay.histories.values())


def test_the_end_has_the_verdict() -> None:
    source = FakeSource(pytorch=life(), keras=life())
    assert run_status.end(source) == "completed · PyTorch 99.2 %, Keras 99.2 % · statistical tie"
    assert run_status.end(FakeSource(keras=life())) == "completed · Keras 99.2 %"


def test_runs_are_under_way_until_the_last_has_ended() -> None:
    for source, expected in (
        (FakeSource(), False),
        (FakeSource(keras=life()[:1]), True),
        (FakeSource(pytorch=life(), keras=until_step(2)), True),
        (FakeSource(pytorch=life(), keras=life()), False),
    ):
        assert run_status.is_under_way(source) == expected
