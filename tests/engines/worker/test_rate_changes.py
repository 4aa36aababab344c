"""A change of the learning rate in mid-run takes effect at its step, and stays, with a fake engine in the test's process."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from engines.config import TrainConfig
from engines.experiment.checkpoint import read_position
from engines.messages.commands import ChangeLearningRate, Command, SaveCheckpoint, Stop
from engines.messages.events import CheckpointSaved, Event, LearningRateChanged, RunStarted, TrainProgress
from engines.messages.grammar import violations
from engines.preset_configs import from_settings
from engines.runs.history import RunHistory
from engines.runs.lifecycle import lifecycle_line
from engines.runs.resume import find_resume_points
from tests.support.local_worker import LocalWorker
from tests.support.planned_run import ENGINE, Plan, of, record, train

STEPS = 10
"""Steps of an epoch: 40 digits in batches of 4."""


def config(**settings: object) -> TrainConfig:
    return from_settings({"epochs": 2, "batch_size": 4, "device": "cpu", **settings})


def change(factor: float, global_step: int) -> ChangeLearningRate:
    return ChangeLearningRate(factor=factor, global_step=global_step)


def planned(commands: Mapping[int, Command], **settings: object) -> tuple[Plan, list[Event]]:
    plan = Plan(commands=commands)
    return plan, train(plan, config(**settings))


@pytest.mark.parametrize("at", [1, 4, STEPS - 1, STEPS, STEPS + 3])
def test_a_change_takes_effect_exactly_at_its_step(at: int) -> None:
    plan, events = planned({1: change(0.5, at)})
    assert plan.rates == [1.0] * at + [0.5] * (2 * STEPS - at)
    (changed,) = of(LearningRateChanged, events)
    assert (changed.global_step, changed.before, changed.after, changed.requested_step) == (at, 1.0, 0.5, at)
    assert [event.learning_rate for event in of(TrainProgress, events)] == plan.rates
    assert violations(events) == []


def test_calls_of_many_steps_end_where_a_change_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quick machine has more steps in a call than are left until the change."""
    plan = Plan(commands={1: change(2.0, 7)})
    monkeypatch.setattr(Plan, "read_clock", lambda plan: 0.0)
    train(plan, config(epochs=1))
    assert plan.rates == [1.0] * 7 + [2.0] * 3


def test_a_run_that_has_passed_the_step_changes_at_once_and_says_so() -> None:
    plan, events = planned({6: change(0.5, 4)})
    assert plan.rates == [1.0] * 6 + [0.5] * 14
    (changed,) = of(LearningRateChanged, events)
    assert (changed.global_step, changed.requested_step) == (6, 4)
    assert lifecycle_line(changed) == "you changed the learning rate from 1 to 0.5 after step 6; step 4 had passed"


def test_a_schedule_is_scaled_from_there_on_and_changes_add_up() -> None:
    without = planned({}, schedule="cosine")[0].rates
    plan, _ = planned({2: change(0.5, 5), 6: change(0.1, 12)}, schedule="cosine")
    factors = [1.0] * 5 + [0.5] * 7 + [0.05] * 8
    assert plan.rates == pytest.approx([rate * factor for rate, factor in zip(without, factors, strict=True)], rel=1e-6)


def test_a_change_after_the_end_is_none() -> None:
    plan, events = planned({3: change(0.5, 2 * STEPS)})
    assert plan.rates == [1.0] * 20
    assert not of(LearningRateChanged, events)


def test_the_next_run_of_the_worker_has_its_own_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that the first run never came to is none of the second."""
    worker = LocalWorker(monkeypatch)

    def answer(event: Event) -> None:
        if isinstance(event, RunStarted):
            worker.channel.send(change(0.5, 5))
            worker.channel.on_event = lambda event: None

    worker.channel.on_event = answer
    worker.run(epochs=1)
    assert {event.learning_rate for event in worker.run(epochs=2) if isinstance(event, TrainProgress)} == {1.0}


@pytest.mark.parametrize("cut_at", [5, 6, 12])
def test_a_resumed_run_continues_with_the_changed_rate(cut_at: int, tmp_path: Path) -> None:
    """The checkpoint holds it; a change that came after the checkpoint is not part of the run any more."""
    plan = Plan(commands={2: change(0.5, 5), cut_at: Stop()})
    events = train(plan, config(), tmp_path / "first")
    checkpoint = tmp_path / "first" / f"{ENGINE}.npz"
    changed = cut_at > 5
    assert read_position(checkpoint).rate_factor == (0.5 if changed else 1.0)
    folder = record(tmp_path / "recorded", {ENGINE: config()}, events[:-1], {ENGINE: checkpoint})
    (point,) = find_resume_points(folder, {}).values()
    assert len(of(LearningRateChanged, point.events)) == changed
    rest = Plan()
    train(rest, config(), tmp_path / "second", resume=checkpoint, past=point.events)
    assert rest.rates == [0.5 if changed else 1.0] * (2 * STEPS - cut_at)


def test_a_change_after_the_last_checkpoint_is_lost_with_the_steps_after_it(tmp_path: Path) -> None:
    """The app was killed after the change at the end of the first epoch, whose checkpoint is from before it."""
    train(Plan(), config(epochs=1), tmp_path)
    checkpoint = tmp_path / f"{ENGINE}.npz"
    cut_off = planned({2: change(0.5, STEPS)})[1][:-1]
    assert of(LearningRateChanged, cut_off)
    folder = record(tmp_path / "recorded", {ENGINE: config()}, cut_off, {ENGINE: checkpoint})
    (point,) = find_resume_points(folder, {}).values()
    assert not of(LearningRateChanged, point.events)
    rest = Plan()
    train(rest, config(), resume=checkpoint, past=point.events)
    assert rest.rates == [1.0] * STEPS


def test_a_checkpoint_of_the_step_of_a_change_is_from_before_it(tmp_path: Path) -> None:
    plan = Plan(commands={2: change(0.5, 5), 4: SaveCheckpoint()})
    events = train(plan, config(), tmp_path)
    (saved,) = [event for event in of(CheckpointSaved, events) if event.global_step == 5]
    assert events.index(saved) < events.index(of(LearningRateChanged, events)[0])


def test_the_history_knows_every_change() -> None:
    history = RunHistory(ENGINE)
    for event in planned({1: change(0.5, 2), 3: change(4.0, 8)})[1]:
        history.apply(event)
    assert [(one.global_step, one.after) for one in history.rate_changes] == [(2, 0.5), (8, 2.0)]
