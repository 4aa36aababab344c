"""The history: the state of an engine after its events."""

from __future__ import annotations

import pytest

from engines.messages.events import EVENTS, Heartbeat, RunFailed, RunPaused, RunRequested, RunResumed, WorkerExited
from engines.runs.history import _HANDLERS, RunHistory
from tests.support.run_events import CONFIG, life


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
