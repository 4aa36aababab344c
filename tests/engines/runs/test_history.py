"""The history: the state of an engine after its events."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engines.config import TrainConfig
from engines.messages.events import (
    EVENTS,
    DataReady,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    EvalStarted,
    Heartbeat,
    RunFailed,
    RunPaused,
    RunRequested,
    RunResumed,
    RunStarted,
    TrainProgress,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
    WorkerUsage,
)
from engines.runs.history import _HANDLERS, RunHistory
from engines.runs.reader import read_events
from engines.session.replay import DEMO
from tests.support.histories import evaluated_run
from tests.support.run_events import CONFIG, life, validated_life


def history_after(events: int) -> RunHistory:
    """Return the history after that many events of a life."""
    history = RunHistory("keras")
    for event in life()[:events]:
        history.apply(event)
    return history


def usage(t: float, rss_bytes: int = 10**9) -> WorkerUsage:
    """Return what a worker used at that time: 90 % of a core."""
    return WorkerUsage(engine="keras", t=t, cpu_percent=90.0, cores_allowed=1, rss_bytes=rss_bytes, num_threads=2)


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


def test_every_pause_is_left_out_of_the_eta() -> None:
    """Four of eight steps took 4 seconds, and two pauses 10 and 100."""
    history = history_after(11)
    for pause, resume in ((9.0, 19.0), (19.0, 119.0)):
        history.apply(RunPaused(engine="keras", t=pause))
        history.apply(RunResumed(engine="keras", t=resume))
    assert history.paused_seconds == 110.0
    assert history.eta_seconds(now=119.0) == pytest.approx(4.0)


def test_a_pause_before_the_start_is_no_part_of_the_pace() -> None:
    """The run was paused while its digits were loaded."""
    history = RunHistory("keras")
    for event in life()[:11]:
        if isinstance(event, RunStarted):
            history.apply(RunPaused(engine="keras", t=4.0))
            history.apply(RunResumed(engine="keras", t=4.9))
        history.apply(event)
    assert history.eta_seconds(now=9.0) == pytest.approx(4.0)


def test_a_paused_run_that_trains_single_steps_stays_paused_and_returns_to_where_it_is() -> None:
    history, phases = RunHistory("keras"), list[tuple[str, str]]()
    for event in life():
        history.apply(event)
        if isinstance(event, WorkerReady):
            history.apply(RunPaused(engine="keras", t=3.0))
        if isinstance(event, DataReady | RunStarted | TrainProgress | EpochStarted):
            phases.append((history.phase, history.training_phase))
        if isinstance(event, TrainProgress) and event.global_step == 4:
            break
    returns_to = ["building", "first step", "first step", "training", "training", "training", "evaluating"]
    assert phases == [("paused", phase) for phase in returns_to]
    history.apply(RunResumed(engine="keras", t=20.0))
    assert history.phase == "evaluating"


def test_an_evaluation_inside_an_epoch_is_followed_by_training_and_one_at_its_end_is_not() -> None:
    """EvalStarted announces it; in recordings that are older than EvalStarted, the config says when it is due."""
    every_two = replace(CONFIG, eval_every=2)
    for config, announced in ((CONFIG, True), (every_two, False)):
        history, events = RunHistory("keras"), life()
        for event in events[:9]:
            history.apply(replace(event, config=config) if isinstance(event, RunStarted) else event)
        if announced:
            history.apply(EvalStarted(engine="keras", t=7.0, epoch=1, global_step=2))
        assert (history.phase, history.global_step) == ("evaluating", 2)
        history.apply(evaluation(0.5, step=2))
        assert history.phase == "training"
        for event in events[9:12]:
            history.apply(event)
        assert (history.phase, history.global_step, history.test_accuracy) == ("evaluating", 4, 0.975)


def evaluation(accuracy: float, step: int = 4, t: float = 11.0) -> EvalCompleted:
    """Return an evaluation of the first epoch, after 3 seconds of training."""
    return EvalCompleted(
        engine="keras", t=t, epoch=1, global_step=step, split="test", loss=0.1, accuracy=accuracy, seconds=1.0, train_seconds=3.0,
        confusion=(), mistakes=(),
    )  # fmt: skip


def accuracies_reached(*evaluations: EvalCompleted, target: float = 0.0) -> list[tuple[float, float]]:
    """Return (accuracy, wall seconds) of the milestones of a run with these evaluations."""
    history = RunHistory("keras")
    history.apply(RunRequested(engine="keras", t=1.0, config=TrainConfig(target_accuracy=target)))
    for event in evaluations:
        history.apply(event)
    assert {(m.train_seconds, m.epoch) for m in history.milestones} <= {(3.0, 1)}
    return [(round(milestone.accuracy, 9), milestone.wall_seconds) for milestone in history.milestones]


def test_a_milestone_is_reached_exactly_at_its_accuracy_and_once() -> None:
    assert accuracies_reached(evaluation(0.9699)) == []
    assert accuracies_reached(evaluation(0.97)) == [(0.97, 10.0)]
    assert accuracies_reached(evaluation(0.98, t=11.0), evaluation(0.985, t=21.0), evaluation(0.97, t=31.0)) == [
        (0.97, 10.0), (0.98, 10.0),
    ]  # fmt: skip
    assert accuracies_reached(evaluation(0.994), target=99.4)[-1] == (0.994, 10.0)
    assert accuracies_reached(evaluation(0.9939), target=99.4)[-1] == (0.99, 10.0)
    assert accuracies_reached(evaluation(0.5), target=50.0) == [(0.5, 10.0)]


def test_a_worker_that_fails_after_the_run_changes_nothing_of_the_run() -> None:
    """A worker that waits for the next run, or was started for a prediction, may die."""
    history = history_after(len(life()))
    history.apply(RunFailed(engine="keras", t=99.0, kind="crashed", message="It crashed."))
    assert (history.outcome, history.ended_t, history.wall_seconds(now=200.0)) == ("completed", 30.0, 30.0)
    assert (history.running, history.phase) == (False, "failed")
    assert history.test_accuracy == 0.992


def test_figures_of_a_worker_that_has_ended_are_not_those_of_the_next() -> None:
    """The sampler may still measure what is left of it."""
    history = history_after(9)
    history.apply(usage(8.0))
    history.apply(WorkerExited(engine="keras", t=9.0, returncode=1, signal="", log_tail=()))
    history.apply(usage(9.5))
    assert (history.usage, history.peak_rss_bytes, len(history.cpu_usage)) == (None, 10**9, 1)
    assert list(history.cpu_percent) == [90.0, None]


def test_peaks_are_those_of_the_run() -> None:
    """The worker's figures before and after the run do not count, nor those of an earlier run."""
    history = history_after(len(life()))
    history.apply(usage(31.0, 9 * 10**9))
    history.apply(Heartbeat(engine="keras", t=31.0, device_memory_bytes=9 * 10**9))
    assert (history.peak_rss_bytes, history.peak_device_bytes) == (None, None)
    history.apply(RunRequested(engine="keras", t=40.0, run_id="s", config=CONFIG))
    for size in (2, 3, 1):
        history.apply(usage(41.0, size * 10**9))
        history.apply(Heartbeat(engine="keras", t=41.0, device_memory_bytes=size * 10**8))
    assert (history.peak_rss_bytes, history.peak_device_bytes) == (3 * 10**9, 3 * 10**8)
    history.apply(RunRequested(engine="keras", t=50.0, run_id="t", config=CONFIG))
    assert (history.peak_rss_bytes, history.peak_device_bytes) == (None, None)


def test_an_epoch_without_a_speed_has_no_samples() -> None:
    """The run's first step was its only one, and is not timed."""
    history = history_after(len(life()))
    assert (history.epoch_seconds, history.epoch_samples, history.epoch_times) == (8.0, 64.0, [4.0, 4.0])
    history.apply(EpochCompleted(
        engine="keras", epoch=3, train_loss=0.1, train_accuracy=0.9, train_seconds=1.0, samples_per_sec=None,
        first_step_seconds=None,
    ))  # fmt: skip
    assert (history.epoch_seconds, history.epoch_samples, history.first_step_seconds) == (9.0, 64.0, 0.5)


def test_the_best_evaluation_is_kept_however_many_there_are() -> None:
    history = evaluated_run([0.5, 0.9, 0.7])
    assert (history.best_accuracy, history.test_accuracy) == (0.9, 0.7)
    assert [len(e.mistakes) for e in history.evaluations] == [0, 0, 3000], "only the newest has its mistakes"


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
    history.apply(usage(3.0))
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
