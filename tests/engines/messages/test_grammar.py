"""The grammar of events: it accepts every life cut short, and finds what is wrong. Some fifty tests rely on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from engines.messages.events import (
    EVENTS,
    CheckpointSaved,
    CommandSent,
    DataProgress,
    DataReady,
    Diverged,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    EvalStarted,
    Event,
    ExamProgress,
    Heartbeat,
    LearningRateChanged,
    LogLine,
    MachineUsage,
    ModelReady,
    ModelSaved,
    Prediction,
    RunFailed,
    RunFinished,
    RunPaused,
    RunRequested,
    RunResumed,
    RunStarted,
    SaveFailed,
    StepMeasured,
    TrainProgress,
    TwinsCompared,
    WarmedUp,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
    WorkerUsage,
)
from engines.messages.grammar import violations
from tests.support.run_events import life, numbered, validated_life

E: Any = {"engine": "keras"}
DATA_PROGRESS = DataProgress(**E, done_bytes=1, total_bytes=2, source="x")
FAILED = RunFailed(**E, kind="crashed", message="m")
EXITED = WorkerExited(**E, returncode=1, signal="", log_tail=())
STOPPED = RunFinished(
    **E, outcome="stopped", test_accuracy=None, test_loss=None, best_epoch=None, train_seconds=0.0, wall_seconds=0.0
)

LIFE = life()
BY_KIND: dict[type[Event], Event] = {
    **{type(event): event for event in reversed(LIFE)}, DataProgress: DATA_PROGRESS, RunFailed: FAILED, WorkerExited: EXITED,
    RunFinished: STOPPED,
}  # fmt: skip
"""The first event of each kind that has a place in the order."""

ANYWHERE: dict[type[Event], dict[str, Any]] = {
    LogLine: {"stream": "stdout", "text": "x"}, Heartbeat: {},
    Prediction: {"request_id": 1, "probabilities": (), "epoch": 1, "global_step": 1}, ExamProgress: {"done": 1, "total": 2},
    CheckpointSaved: {"path": "x"}, ModelSaved: {"path": "x"}, SaveFailed: {"what": "model", "path": "x", "reason": "x"},
    Diverged: {"epoch": 1, "global_step": 1, "loss": 1.0}, RunPaused: {}, RunResumed: {}, CommandSent: {"command": "Stop"},
    EvalStarted: {"epoch": 1, "global_step": 1}, StepMeasured: {"global_step": 1, "layers": ()},
    LearningRateChanged: {"global_step": 1, "before": 1.0, "after": 0.5, "requested_step": 1},
    TwinsCompared: {"epoch": 1, "global_step": 1, "layers": (), "answers": 0, "test_size": 1}, WarmedUp: {"samples_per_sec": 1.0},
    WorkerUsage: {"cpu_percent": 1.0, "cores_allowed": 1, "rss_bytes": 1, "num_threads": 1},
    MachineUsage: {
        "cpu_percent": 1.0, "per_core": (), "memory_used_bytes": 1, "memory_total_bytes": 1, "gpus": (), "gpu_reason": "",
    },
}  # fmt: skip
"""The kinds without a place, with their fields."""

FOLLOWS: dict[type[Event], tuple[type[Event], ...]] = {
    WorkerSpawned: (WorkerReady, RunRequested),
    WorkerReady: (RunRequested, DataProgress, DataReady),
    RunRequested: (WorkerSpawned, WorkerReady, DataProgress, DataReady, EpochStarted),  # the last in a resumed run
    DataProgress: (DataProgress, DataReady),
    DataReady: (ModelReady,),
    ModelReady: (RunStarted,),
    RunStarted: (EpochStarted,),
    EpochStarted: (TrainProgress,),
    TrainProgress: (TrainProgress, EvalCompleted),
    EvalCompleted: (TrainProgress, EpochCompleted),
    EpochCompleted: (EpochStarted,),
    RunFinished: (RunRequested, DataProgress, DataReady),
    RunFailed: (RunRequested, DataProgress, DataReady),
    WorkerExited: (WorkerSpawned, RunRequested),
}
"""The order, written a second time from the docstring of events.py: a slip in one of the two tables is seen."""
ENDINGS = (RunFinished, RunFailed, WorkerExited)
_NEW_EVENTS = (WorkerSpawned, WorkerReady, DataProgress, DataReady)
IN_A_RESUMED_RUN: dict[type[Event], tuple[type[Event], ...]] = {
    EpochStarted: (*_NEW_EVENTS, EvalCompleted, EpochCompleted),
    **dict.fromkeys((TrainProgress, EvalCompleted, EpochCompleted), _NEW_EVENTS),
}


def stream(*events: Event) -> list[Event]:
    """Return the events with numbers, and a step more at each TrainProgress."""
    numbered_events, step = [], 0
    for i, event in enumerate(events, 1):
        if isinstance(event, TrainProgress):
            step += 1
            event = replace(event, global_step=step)
        numbered_events.append(numbered(event, i))
    return numbered_events


def of(*kinds: type[Event]) -> list[Event]:
    """Return a stream of events of these kinds."""
    return stream(*(BY_KIND[kind] for kind in kinds))


def way_to(kind: type[Event]) -> list[type[Event]]:
    """Return the kinds of a stream that ends with this kind and has no violation."""
    kinds = [type(event) for event in LIFE]
    if kind in (DataProgress, RunFailed, WorkerExited):
        return [*kinds[: kinds.index(WorkerReady) + 1], kind]
    return kinds[: kinds.index(kind) + 1]


def order_problems(events: list[Event]) -> list[str]:
    """Return the violations of the order alone."""
    return [text for text in violations(events) if "may not follow" in text]


def test_a_life_is_grammatical() -> None:
    assert violations(LIFE) == []


def test_the_table_of_this_test_has_every_event() -> None:
    assert {*FOLLOWS} | {*ANYWHERE} == {*EVENTS.values()}
    assert {*FOLLOWS} == {*BY_KIND}


@pytest.mark.parametrize("cut", range(1, len(life())))
def test_every_life_cut_short_is_grammatical(cut: int) -> None:
    assert violations([*LIFE[:cut], numbered(FAILED, 99)]) == []
    assert violations([*LIFE[:cut], numbered(STOPPED, 99)]) == []


@pytest.mark.parametrize("kind", ANYWHERE, ids=lambda kind: kind.__name__)
def test_events_without_a_place_may_stand_anywhere(kind: type[Event]) -> None:
    between = [part for event in LIFE for part in (event, kind(**E, **ANYWHERE[kind]))]
    assert violations(stream(*between)) == []


@pytest.mark.parametrize("first", FOLLOWS, ids=lambda kind: kind.__name__)
def test_nothing_else_follows(first: type[Event]) -> None:
    """Every event after every other: exactly those of the table are accepted."""
    before = way_to(first)
    assert order_problems(of(*before)) == []
    accepted = {kind for kind in FOLLOWS if not order_problems(of(*before, kind))}
    assert accepted == {*FOLLOWS[first], *ENDINGS}


def test_a_stream_starts_with_a_worker_or_a_request() -> None:
    accepted = {kind for kind in FOLLOWS if not order_problems(of(kind))}
    assert accepted == {WorkerSpawned, WorkerReady, RunRequested, *ENDINGS}


@pytest.mark.parametrize("last", range(1, 5))
def test_a_resumed_run_repeats_its_past_and_may_break_off_in_it(last: int) -> None:
    past = [EpochStarted, TrainProgress, EvalCompleted, EpochCompleted][:last]
    accepted = {kind for kind in FOLLOWS if not order_problems(of(RunRequested, *past, kind))}
    assert accepted == {*FOLLOWS[past[-1]], *IN_A_RESUMED_RUN[past[-1]], *ENDINGS}


def test_the_next_run_is_no_resumed_one() -> None:
    kinds = [
        RunRequested,
        EpochStarted,
        DataReady,
        RunFailed,
        RunRequested,
        DataReady,
        ModelReady,
        RunStarted,
        EpochStarted,
    ]
    assert order_problems(of(*kinds)) == []
    assert order_problems(of(*kinds, DataReady)) == ["DataReady #10: may not follow EpochStarted"]


COMPLETED = LIFE[-1]
BROKEN: dict[str, tuple[Callable[[], list[Event]], str]] = {
    "a number twice": (lambda: [LIFE[0], replace(LIFE[1], seq=1)], "WorkerSpawned #1: seq after 1"),
    "a number that falls": (lambda: [LIFE[0], replace(LIFE[1], seq=7), replace(LIFE[2], seq=5)], "WorkerReady #5: seq after 7"),
    "a number that falls, of an event without a place": (
        lambda: [replace(LIFE[0], seq=5), Heartbeat(**E, seq=4)], "Heartbeat #4: seq after 5",
    ),
    "the number 0": (lambda: [replace(LIFE[0], seq=0)], "RunRequested #0: seq after 0"),
    "a step twice": (lambda: [*LIFE[:9], replace(LIFE[8], seq=50)], "TrainProgress #50: global_step 2 after 2"),
    "a step that falls": (lambda: [*LIFE[:9], replace(LIFE[7], seq=50)], "TrainProgress #50: global_step 1 after 2"),
    "a second request": (lambda: [*LIFE[:9], replace(LIFE[0], seq=50)], "RunRequested #50: run r has not ended"),
    "an end of another run": (
        lambda: [*LIFE[:9], replace(FAILED, seq=50, run_id="other")], "RunFailed #50: ends run 'other' while 'r' is active",
    ),
    "an end without a run": (
        lambda: [replace(FAILED, seq=1, run_id="r")], "RunFailed #1: ends run 'r' while '' is active",
    ),
    "a second end": (lambda: [*LIFE, replace(COMPLETED, seq=50)], "RunFinished #50: ends run 'r' while '' is active"),
    "an exit in mid-run": (
        lambda: [*LIFE[:9], replace(EXITED, seq=50)], "WorkerExited #50: run r has neither RunFinished nor RunFailed",
    ),
    "completed in mid-epoch": (
        lambda: [*LIFE[:9], replace(COMPLETED, seq=50)], "RunFinished #50: may not follow TrainProgress",
    ),
    "completed before its last evaluation is": (
        lambda: [*LIFE[:12], replace(COMPLETED, seq=50)], "RunFinished #50: may not follow EvalCompleted",
    ),
}  # fmt: skip
"""Every other rule, broken once: the stream, and the violation."""


@pytest.mark.parametrize("how", BROKEN)
def test_every_broken_rule_is_found(how: str) -> None:
    make, violation = BROKEN[how]
    assert violation in violations(make())


def test_a_failed_start_ends_no_run() -> None:
    """A worker that could not be started has no run; its failure has no run's id."""
    assert violations(stream(BY_KIND[WorkerSpawned], FAILED, EXITED))[:1] == [
        "RunFailed #2: ends run 'r' while '' is active"
    ]
    spawned, exited = BY_KIND[WorkerSpawned], replace(EXITED, seq=3)
    assert violations([replace(spawned, seq=1, run_id=""), replace(FAILED, seq=2), exited]) == []


def test_steps_start_over_with_each_run() -> None:
    again = [
        replace(event, seq=event.seq + 100) for event in LIFE if not isinstance(event, WorkerSpawned | WorkerReady)
    ]
    assert violations([*LIFE, *again]) == []


def test_the_test_digits_follow_held_out_ones_once_at_the_end() -> None:
    events = validated_life()
    assert violations(events) == []
    (test,) = [event for event in events if isinstance(event, EvalCompleted) and event.split == "test"]
    place = events.index(test)

    request, *_, ended = events
    assert isinstance(request, RunRequested)
    assert isinstance(ended, RunFinished)

    def renumbered(*changed: Event) -> list[str]:
        return violations([numbered(event, i) for i, event in enumerate(changed, start=1)])

    second = next(i for i, event in enumerate(events) if isinstance(event, EpochStarted) and event.epoch == 2)
    assert renumbered(*events[: second + 1], test, replace(ended, outcome="stopped")) == [], (
        "stopped before the epoch's first step"
    )
    assert renumbered(*events[: place + 1], replace(test, split="validation"), *events[place + 1 :])
    assert renumbered(*events[: place + 1], test, *events[place + 1 :])
    without = replace(request, config=replace(request.config, validation=0))
    assert renumbered(without, *events[1:]), "the test digits judged already"
