"""A paused run trains step by step, with a fake engine in the test's own process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from engines.messages.commands import Command, Pause, Resume, Step, Stop
from engines.messages.events import (
    EvalCompleted,
    EvalStarted,
    Event,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    StepMeasured,
    TrainProgress,
)
from tests.support.local_worker import STEPS, LocalWorker


def train(worker: LocalWorker, script: list[tuple[type[Event], Command]], **settings: Any) -> list[Any]:
    """Train a run of two epochs, whose user sends each command once the event before it has come; return the events."""
    remaining: Iterator[tuple[type[Event], Command]] = iter(script)
    awaited = [next(remaining)]

    def answer(event: Event) -> None:
        if awaited and isinstance(event, awaited[0][0]):
            worker.channel.send(awaited.pop()[1])
            awaited.extend([one] if (one := next(remaining, None)) else [])

    worker.channel.on_event = answer
    return worker.run(epochs=2, **settings)


def steps_and_pauses(events: list[Any]) -> list[str | int]:
    """Return the steps that were done at each TrainProgress, and the names of the other events that matter here."""
    matter = (RunPaused, RunResumed, EvalStarted, EvalCompleted, RunFinished)
    shown = [event for event in events if isinstance(event, (TrainProgress, *matter))]
    return [event.global_step if isinstance(event, TrainProgress) else type(event).__name__ for event in shown]


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> LocalWorker:
    worker = LocalWorker(monkeypatch)
    worker.loss = lambda step: step / 10
    return worker


def test_each_command_trains_exactly_one_step(worker: LocalWorker) -> None:
    """It is measured, has a TrainProgress of its own, and the run stays paused; then it goes on as if nothing had been."""
    worker.seconds = lambda step: 0.001  # calls would have many steps
    events = train(
        worker,
        [(TrainProgress, Pause()), (RunPaused, Step()), (StepMeasured, Step()), (StepMeasured, Resume())],
        limit_train=64,
        batch_size=4,
    )
    assert steps_and_pauses(events)[:6] == [1, "RunPaused", 2, 3, "RunResumed", 16]
    measured = [event for event in events if isinstance(event, StepMeasured)]
    assert [(one.global_step, one.loss, one.correct, one.samples) for one in measured] == [
        (2, 0.2, 2, 4),
        (3, 0.3, 2, 4),
    ]
    assert [(event.loss, event.accuracy) for event in events if isinstance(event, TrainProgress)][1:3] == [
        (0.2, 0.5),
        (0.3, 0.5),
    ]
    assert sum(last - first for _, first, last in worker.calls) == 32
    assert events[-1].outcome == "completed"


def test_steps_before_the_pause_are_no_part_of_a_single_step(worker: LocalWorker) -> None:
    """They have been trained since the last event, and get one of their own first."""

    def seconds(step: int) -> float:
        if step == 2:
            worker.channel.send(Pause())
        return 0.01

    worker.seconds = seconds
    events = train(worker, [(RunPaused, Step()), (StepMeasured, Resume())], batch_size=4)
    assert steps_and_pauses(events)[:5] == [1, "RunPaused", 2, 3, "RunResumed"]
    progress = [event for event in events if isinstance(event, TrainProgress)]
    assert [event.loss for event in progress[:3]] == pytest.approx([0.1, 0.2, 0.3])


def test_two_commands_at_once_are_two_steps(worker: LocalWorker) -> None:
    def answer(event: Event) -> None:
        if isinstance(event, TrainProgress) and event.global_step == 1:
            worker.channel.send(Pause(), Step(), Step())
        if isinstance(event, StepMeasured) and event.global_step == 3:
            worker.channel.send(Stop())

    worker.channel.on_event = answer
    events = worker.run()
    assert steps_and_pauses(events)[:5] == [1, "RunPaused", 2, 3, "RunResumed"]
    assert events[-1].outcome == "stopped"


def test_the_test_after_an_epoch_waits_for_the_next_step(worker: LocalWorker) -> None:
    script: list[tuple[type[Event], Command]] = [(TrainProgress, Pause()), (RunPaused, Step())]
    script += [(StepMeasured, Step())] * (STEPS - 2) + [(EvalStarted, Step()), (StepMeasured, Resume())]
    events = train(worker, script)
    assert steps_and_pauses(events) == [
        1, "RunPaused", 2, 3, 4, "EvalStarted", "EvalCompleted", 5, "RunResumed", 6, 7, 8, "EvalStarted", "EvalCompleted",
        "RunFinished",
    ]  # fmt: skip


def test_the_first_step_may_be_a_single_one(worker: LocalWorker) -> None:
    events = train(worker, [(RunStarted, Pause()), (RunPaused, Step()), (StepMeasured, Resume())])
    assert steps_and_pauses(events)[:4] == ["RunPaused", 1, "RunResumed", 2]
    assert events[-1].outcome == "completed"


def test_a_running_run_ignores_the_command(worker: LocalWorker) -> None:
    events = train(worker, [(TrainProgress, Step())])
    assert not [event for event in events if isinstance(event, StepMeasured)]
    assert steps_and_pauses(events)[:4] == [1, 2, 3, 4]
