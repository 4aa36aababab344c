"""The times of a worker's start in an engine's panel."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engines.messages.events import ModelReady, TrainProgress, WarmedUp, WorkerReady
from engines.runs.history import RunHistory
from engines.runs.phases import BUILDING
from tests.support.run_events import life
from tui.widgets.engine_panel import EnginePanel, _speed

LONG = " · import 2.50 s · build 0.50 s · first step 0.50 s"


def history_until(kind: type, warm_up: WarmedUp | None = None, *, warm: bool = False) -> RunHistory:
    """Return the history after the last event of that kind, in a worker that was ready before the run was requested or not."""
    events = life()
    if warm:
        events[:3] = [
            *(replace(event, t=event.t - 9.0) for event in events[1:3]),
            *([warm_up] if warm_up else []),
            events[0],
        ]
    last = max(i for i, event in enumerate(events) if isinstance(event, kind))
    history = RunHistory("keras")
    for event in events[: last + 1]:
        history.apply(event)
    return history


def test_a_start_is_import_building_and_first_step() -> None:
    history = history_until(TrainProgress)
    wide, narrow = str(_speed(history, 9.0, 120)), str(_speed(history, 9.0, 60))
    assert wide.endswith(LONG)
    assert narrow.endswith(" · start 3.50 s"), (
        "the import alone would let the one with the slower build seem to start faster"
    )
    assert "start" not in str(_speed(history, 9.0, 30))
    assert str(_speed(history_until(ModelReady), 9.0, 120)).endswith(" · import 2.50 s · build 0.50 s")
    assert str(_speed(history_until(WorkerReady), 9.0, 120)).endswith(" · import 2.50 s")
    assert "start" not in str(_speed(history_until(ModelReady), 9.0, 40)), "there is no sum yet"


@pytest.mark.parametrize(("warm_up", "times"), [
    (WarmedUp(engine="keras", samples_per_sec=1.0, build_seconds=3.5, first_step_seconds=0.25),
     " · import 2.50 s · build 4.00 s · first step 0.75 s"),
    (WarmedUp(engine="keras", samples_per_sec=1.0), " 00:09 · ETA --:-- · warm worker"),
    (None, " 00:09 · ETA --:-- · warm worker"),
])  # fmt: skip
def test_a_start_includes_the_warm_up(warm_up: WarmedUp | None, times: str) -> None:
    """A build that was not the first says nothing about the start."""
    assert str(_speed(history_until(TrainProgress, warm_up, warm=True), 9.0, 120)).endswith(times)


def test_building_has_a_clock() -> None:
    history = history_until(ModelReady)
    assert history.phase == BUILDING
    assert "3.5 s" in EnginePanel("keras")._details(history, history.phase_t + 3.5, answering=True)
