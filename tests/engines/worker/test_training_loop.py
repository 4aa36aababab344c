"""The worker's loop, with an engine whose losses and answers are planned: what is counted, evaluated and saved."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from engines.config import TrainConfig
from engines.experiment.checkpoint import read_position
from engines.experiment.recipe import learning_rates
from engines.messages.commands import Stop
from engines.messages.events import CheckpointSaved, Diverged, EpochCompleted, EvalCompleted, RunFinished, TrainProgress
from engines.messages.grammar import violations
from tests.support.planned_run import Plan, blank_digits, of, train

CONFIG = TrainConfig(epochs=2, batch_size=10, device="cpu")
"""Two epochs of four steps on the plan's 40 digits."""


def test_a_planned_run_follows_the_grammar() -> None:
    events = train(Plan(), CONFIG)
    assert violations(events) == []
    assert of(RunFinished, events)[0].outcome == "completed"


def test_losses_and_accuracies_are_means_over_the_samples_since_the_event_before() -> None:
    """The losses are 1, 2, 3 and so on, and half of the digits are read right; a step takes a second, and the first is untimed."""
    events = train(Plan(loss=float), CONFIG)
    epochs = of(EpochCompleted, events)
    assert [(epoch.train_loss, epoch.train_accuracy) for epoch in epochs] == [(2.5, 0.5), (6.5, 0.5)]
    assert [(epoch.train_seconds, epoch.samples_per_sec) for epoch in epochs] == [(3.0, 10.0), (4.0, 10.0)]
    before = 0
    for event in of(TrainProgress, events):
        steps = range(before + 1, event.global_step + 1)
        assert (event.loss, event.accuracy) == (sum(steps) / len(steps), 0.5)
        assert (event.samples_seen, event.samples_per_sec) == (10 * event.global_step, 10.0)
        before = event.global_step
    assert before == 8


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one-cycle"])
def test_every_step_has_its_rate_in_the_schedule(schedule: str) -> None:
    """The engine gets the schedule's rates, and an event reports the rate of the step that it was published after."""
    plan, config = Plan(), TrainConfig(epochs=2, batch_size=10, device="cpu", schedule=schedule, learning_rate=0.5)
    events = train(plan, config)
    expected = [float(rate) for epoch in (1, 2) for rate in learning_rates(config, epoch, 4)]
    assert plan.rates == expected
    progress = of(TrainProgress, events)
    assert progress[0].global_step == 1
    assert progress[-1].global_step == 8
    assert [event.learning_rate for event in progress] == [expected[event.global_step - 1] for event in progress]


def test_every_test_digit_is_evaluated_once_and_counted_by_its_true_label() -> None:
    """There are 1,003 digits, five batches and a rest; the threes at index 700 and at the end are read as a five."""
    labels = [3] * 1003
    wrong = {700, 1002}

    def answers(step: int) -> Sequence[int]:
        return [5 if i in wrong else 3 for i in range(len(labels))]

    plan = Plan(digits=blank_digits(labels=labels), answers=answers)
    evaluation = of(EvalCompleted, train(plan, CONFIG))[0]
    assert [first for first, _ in plan.evaluated[:6]] == [0, *(last for _, last in plan.evaluated[:5])]
    assert plan.evaluated[5] == (1000, 1003)
    counts = np.array(evaluation.confusion).reshape(10, 10)
    assert (counts[3, 3], counts[3, 5], counts.sum()) == (1001, 2, 1003)
    assert evaluation.mistakes == ((700, 3, 5), (1002, 3, 5))
    assert evaluation.accuracy == pytest.approx(1001 / 1003)
    right, others = np.log(np.e + 9) - 1, np.log(np.e + 9)  # of a logit of 1 among nine of 0
    assert evaluation.loss == pytest.approx((1001 * right + 2 * others) / 1003)


def test_a_run_that_was_stopped_saves_what_it_trained(tmp_path: Path) -> None:
    events = train(Plan(commands={6: Stop()}), CONFIG, tmp_path)
    assert of(RunFinished, events)[0].outcome == "stopped"
    assert [(event.epoch, event.global_step) for event in of(CheckpointSaved, events)] == [(2, 4), (2, 6)]
    position = read_position(tmp_path / "pytorch.npz")
    assert (position.epoch, position.step, position.global_step) == (2, 2, 6)


def test_a_diverged_run_that_trains_on_never_writes_over_its_checkpoint(tmp_path: Path) -> None:
    """Its last good weights stay."""
    config = TrainConfig(epochs=3, batch_size=10, device="cpu", stop_on_nan=False)
    events = train(Plan(loss=lambda step: 1.0 if step < 6 else float("nan")), config, tmp_path)
    assert len(of(Diverged, events)) == 1
    assert of(RunFinished, events)[0].outcome == "completed"
    assert [event.global_step for event in of(CheckpointSaved, events)] == [4]
    position = read_position(tmp_path / "pytorch.npz")
    assert (position.epoch, position.step, position.global_step) == (2, 0, 4)
