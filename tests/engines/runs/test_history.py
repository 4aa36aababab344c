"""The history: the state of an engine after its events."""

from __future__ import annotations

import pytest

from engines.messages.events import (
    EVENTS,
    EpochCompleted,
    Heartbeat,
    RunFailed,
    RunPaused,
    RunRequested,
    RunResumed,
    RunStarted,
    TrainProgress,
    WorkerExited,
    WorkerSpawned,
    WorkerUsage,
)
from engines.runs.history import _HANDLERS, RunHistory
from engines.runs.reader import read_events
from engines.session.replay import DEMO
from tests.support.run_events import CONFIG, life, validated_life


def history_after(events: int) -> RunHistory:
    """Return the history after that many events of a life."""
    history = RunHistory("keras")
    for event in life()[:events]:
        history.apply(event)
    return history


def test_every_kind_of_event_has_a_handler() -> None:
    """Except for two that tell a run's history nothing."""
    assert {kind.__name__ for kind in EVENTS.values()} - {kind.__name__ for kind in _HANDLERS} == {
        "ExamProgress", "MachineUsage",
    }  # fmt: skip


def test_the_phases_of_a_life() -> None:
    history, phases = RunHistory("keras"), list[str]()
    for event in life():
        history.apply(event)
        if not phases or phases[-1] != history.phase:
            phases.append(history.phase)
    assert phases == [
        "importing", "loading data", "building", "first step", "training", "evaluating", "training", "evaluating", "finished",
    ]  # fmt: skip


def test_the_figures_of_a_life() -> None:
    history = history_after(len(life()))
    assert history.fraction == 1.0
    assert history.first_step_seconds == 0.5
    assert history.test_accuracy == 0.992
    assert [(m.accuracy, m.wall_seconds) for m in history.milestones] == [(0.97, 11.0), (0.98, 25.0), (0.99, 25.0)]
    assert history.wall_seconds(now=99.0) == 30.0
    assert not history.running


def test_the_eta_counts_no_pause() -> None:
    history = history_after(11)
    assert history.eta_seconds(now=9.0) == pytest.approx(4.0)
    history.apply(RunPaused(engine="keras", seq=90, t=9.0))
    assert history.phase == "paused"
    assert history.eta_seconds(now=100.0) == pytest.approx(4.0)
    history.apply(RunResumed(engine="keras", seq=91, t=100.0))
    assert history.phase == "evaluating"
    assert history.eta_seconds(now=101.0) == pytest.approx(5.0)


def test_a_failure_stays_until_the_next_run() -> None:
    history = history_after(9)
    history.apply(RunFailed(engine="keras", t=9.0, kind="crashed", message="m"))
    history.apply(WorkerExited(engine="keras", t=9.1, returncode=-9, signal="SIGKILL", log_tail=()))
    assert (history.phase, history.alive, history.running) == ("failed", False, False)
    history.apply(RunRequested(engine="keras", t=10.0, run_id="s", config=CONFIG))
    assert (history.phase, history.failure, history.global_step) == ("importing", None, 0)


def test_a_silent_worker_is_not_a_slow_one() -> None:
    history = history_after(9)
    assert history.silent_seconds(now=8.0) is None
    assert history.silent_seconds(now=40.0) == pytest.approx(33.0)
    history.apply(Heartbeat(engine="keras", t=40.0))
    assert history.silent_seconds(now=41.0) is None


@pytest.mark.parametrize("engine", ["pytorch", "keras"])
def test_training_figures_are_means_since_the_epoch_began(engine: str) -> None:
    """At an epoch's end, they were once those of the last interval's 96 digits: 95.83 % of the recorded run."""
    history, epochs = RunHistory(engine), []
    for event in read_events(DEMO):
        if event.engine == engine:
            history.apply(event)
            if isinstance(event, EpochCompleted):
                epochs.append(history.train_figures)
                assert history.train_figures == pytest.approx((event.train_loss, event.train_accuracy))
    assert len(epochs) == 2
    assert history.train_accuracy.last is not None
    assert history.train_accuracy.last[1] == pytest.approx(0.9583, abs=1e-4)


def test_everything_that_is_measured_in_a_run_has_a_series() -> None:
    history = RunHistory("keras")
    history.apply(RunRequested(engine="keras", t=1.0, config=CONFIG))
    history.apply(WorkerSpawned(engine="keras", t=1.0, pid=1, interpreter="python"))
    usage = WorkerUsage(engine="keras", t=3.0, cpu_percent=90.0, cores_allowed=1, rss_bytes=10**9, num_threads=2)
    history.apply(usage)
    assert history.cpu_usage.last == (2.0, 90.0)
    assert history.memory_usage.last == (2.0, 1e9)
    for event in life():
        if isinstance(event, RunStarted | TrainProgress):
            history.apply(event)
    assert history.speed.last == (8, 100.0)
    assert history.learning_rate.last == (8, 1.0)


def test_held_out_digits_judge_a_run_and_the_test_digits_end_it() -> None:
    history = RunHistory("keras")
    for event in validated_life():
        history.apply(event)
    assert history.split == "validation"
    assert [event.accuracy for event in history.evaluations] == [0.975, 0.96]
    assert (history.best_accuracy, history.best_epoch) == (0.975, 1)
    assert [milestone.accuracy for milestone in history.milestones] == [0.97]
    assert (history.test_accuracy, history.test_loss) == (0.75, 0.3)
    assert history.test_interval is not None
    assert history.test_interval[0] < 0.75 < history.test_interval[1]


def test_the_test_digits_judge_a_run_without_held_out_ones() -> None:
    history = history_after(99)
    assert history.split == "test"
    assert history.tested == history.evaluations[-1]
    assert history.best_epoch == 2


def test_test_figures_are_missing_while_held_out_digits_judge() -> None:
    history = RunHistory("keras")
    for event in validated_life()[:14]:
        history.apply(event)
    assert history.evaluations
    assert (history.tested, history.test_accuracy, history.test_loss, history.test_interval) == (None,) * 4
