"""Test the rules of a config that end a run early, and evaluations inside an epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.experiment.recipe import has_diverged
from engines.messages.events import Diverged, EpochCompleted, EvalCompleted, RunFinished, TrainProgress
from engines.messages.grammar import violations
from engines.preset_configs import from_settings
from engines.runs.history import RunHistory
from engines.runs.phases import DIVERGED, FINISHED
from engines.runs.seeds import reached_target
from tests.support.engines import Worked

ENGINES = [
    "scripted",
    pytest.param("pytorch", marks=pytest.mark.framework),
    pytest.param("keras", marks=pytest.mark.framework),
]
Work = Callable[[str], Worked]


def run(worker: Worked, small_mnist: Path, **settings: object) -> RunFinished:
    """Train one run to its end, and check its events against the grammar."""
    worker.start(from_settings({"batch_size": 64, "data_dir": str(small_mnist), "device": "cpu", **settings}))
    finished: RunFinished = worker.wait_for(RunFinished)
    worker.finish()
    assert violations(worker.events) == []
    return finished


def history_of(worker: Worked) -> RunHistory:
    """Apply the worker's events to a history, as a screen does."""
    history = RunHistory("pytorch")
    for event in worker.events:
        history.apply(event)
    return history


@pytest.mark.parametrize("engine", ENGINES)
def test_evaluations_inside_an_epoch_do_not_change_training(engine: str, warm: Work, small_mnist: Path) -> None:
    """An epoch of ten steps is evaluated at every fourth step and at its end."""
    worker = warm(engine)
    run(worker, small_mnist, epochs=2, eval_every=4, dropout=0.0)
    evaluations = worker.of(EvalCompleted)
    assert [event.global_step for event in evaluations] == [4, 8, 10, 12, 16, 20]
    seconds = [event.train_seconds for event in evaluations]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0
    epochs = worker.of(EpochCompleted)
    assert sum(event.train_seconds for event in epochs) == pytest.approx(seconds[-1])
    reference = warm(engine)
    run(reference, small_mnist, epochs=2, dropout=0.0)
    expected = [event.train_loss for event in reference.of(EpochCompleted)]
    assert [event.train_loss for event in epochs] == pytest.approx(expected, abs=1e-6)


def test_a_target_ends_the_run_in_mid_epoch(work: Work, small_mnist: Path) -> None:
    worker = work("scripted")
    finished = run(worker, small_mnist, epochs=100, eval_every=5, target_accuracy=40.0)
    assert finished.outcome == "target-reached"
    history = history_of(worker)
    assert history.phase == FINISHED
    assert reached_target(history)
    (milestone,) = history.milestones
    assert milestone.accuracy == 0.4
    assert milestone.global_step % 5 == 0
    assert milestone.train_seconds <= milestone.wall_seconds


def test_a_missed_target_is_not_reached(work: Work, small_mnist: Path) -> None:
    worker = work("scripted")
    assert run(worker, small_mnist, epochs=1, target_accuracy=99.9).outcome == "completed"
    assert not reached_target(history_of(worker))


def test_patience_ends_a_run_without_progress(work: Work, small_mnist: Path) -> None:
    """At a learning rate of 0 the first evaluation is the best, and two more end the run."""
    worker = work("scripted")
    finished = run(worker, small_mnist, epochs=50, learning_rate=0.0, patience=2)
    assert (finished.outcome, len(worker.of(EvalCompleted)), finished.best_epoch) == ("no-progress", 3, 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_diverged_loss_is_reported_once_and_ends_the_run(
    engine: str, warm: Work, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real engines diverge by SGD with a learning rate of 1,000."""
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "nan@5")
    worker = warm(engine)
    finished = run(worker, small_mnist, epochs=3, optimizer="sgd", learning_rate=1000.0)
    assert finished.outcome == "diverged"
    (diverged,) = worker.of(Diverged)
    assert has_diverged(diverged.loss)
    assert diverged.global_step <= 10
    assert worker.of(TrainProgress)[-1].global_step == diverged.global_step
    assert history_of(worker).phase == DIVERGED
    assert not reached_target(history_of(worker))


def test_a_diverged_run_continues_without_stop_on_nan(
    work: Work, small_mnist: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "nan@5")
    worker = work("scripted")
    assert run(worker, small_mnist, epochs=2, stop_on_nan=False).outcome == "completed"
    assert len(worker.of(Diverged)) == 1
    assert math.isnan(worker.of(TrainProgress)[-1].loss)


def test_non_finite_and_huge_losses_count_as_diverged() -> None:
    assert has_diverged(math.nan)
    assert has_diverged(math.inf)
    assert has_diverged(24.0)
    assert not has_diverged(math.log(10))
