"""The fold: what is known after which events."""

from __future__ import annotations

import random
from array import array
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from engines.messages.events import (
    Heartbeat,
    RunFailed,
    RunPaused,
    RunRequested,
    RunResumed,
    WorkerExited,
)
from engines.messages.grammar import violations
from engines.runs import directory
from engines.runs.bounded_series import BoundedSeries
from engines.runs.history import RunHistory
from tests.support.life import CONFIG, _numbered, life


def test_phases_of_a_life() -> None:
    history, phases = RunHistory("keras"), list[str]()
    for event in life():
        history.apply(event)
        if not phases or phases[-1] != history.phase:
            phases.append(history.phase)
    assert phases == [
        "importing", "loading data", "building", "first step", "training", "evaluating", "training", "evaluating", "finished",
    ]  # fmt: skip
    assert violations(life()) == []


def test_figures_of_a_life() -> None:
    history = RunHistory("keras")
    for event in life():
        history.apply(event)
    assert history.fraction == 1.0
    assert history.first_step_seconds == 0.5
    assert history.test_accuracy == 0.992
    assert [(m.accuracy, m.wall_seconds) for m in history.milestones] == [(0.97, 11.0), (0.98, 25.0), (0.99, 25.0)]
    assert history.wall_seconds(now=99.0) == 30.0
    assert not history.running


def test_eta_counts_no_pause() -> None:
    history = RunHistory("keras")
    for event in life()[:11]:
        history.apply(event)
    assert history.eta_seconds(now=9.0) == pytest.approx(4.0)
    history.apply(RunPaused(engine="keras", seq=90, t=9.0))
    assert history.phase == "paused"
    assert history.eta_seconds(now=100.0) == pytest.approx(4.0)
    history.apply(RunResumed(engine="keras", seq=91, t=100.0))
    assert history.phase == "evaluating"
    assert history.eta_seconds(now=101.0) == pytest.approx(5.0)


def test_a_failure_stays_until_the_next_run() -> None:
    history = RunHistory("keras")
    for event in life()[:9]:
        history.apply(event)
    history.apply(RunFailed(engine="keras", t=9.0, kind="crashed", message="m"))
    history.apply(WorkerExited(engine="keras", t=9.1, returncode=-9, signal="SIGKILL", log_tail=()))
    assert (history.phase, history.alive, history.running) == ("failed", False, False)
    history.apply(RunRequested(engine="keras", t=10.0, run_id="s", config=CONFIG))
    assert (history.phase, history.failure, history.global_step) == ("importing", None, 0)


def test_silence_is_told_from_slowness() -> None:
    history = RunHistory("keras")
    for event in life()[:9]:
        history.apply(event)
    assert history.silent_seconds(now=8.0) is None
    assert history.silent_seconds(now=40.0) == pytest.approx(33.0)
    history.apply(Heartbeat(engine="keras", t=40.0))
    assert history.silent_seconds(now=41.0) is None


@pytest.mark.parametrize("cut", range(1, 23))
def test_every_life_cut_short_is_still_grammatical(cut: int) -> None:
    events = life()[:cut]
    if cut < len(life()):
        events.append(RunFailed(engine="keras", seq=99, t=99.0, run_id="r", kind="crashed", message="m"))
    assert violations(events) == []


def test_the_grammar_finds_what_is_wrong() -> None:
    events = life()
    assert violations([events[0], events[8]])
    assert violations(events[:3] + events[2:])
    assert violations([*life(), _numbered(life()[-1], 99)]), "a run ends once"
    swapped = [*events[:9], _numbered(events[9], 10), _numbered(events[9], 11)]
    assert any("global_step" in text for text in violations(swapped))
    assert any("neither" in text for text in violations(
        [*events[:9], WorkerExited(engine="keras", seq=50, returncode=1, signal="", log_tail=())]
    ))  # fmt: skip


def test_series_keeps_spikes_and_its_bounds() -> None:
    series, spike = BoundedSeries(capacity=256), 61_234
    for i in range(200_000):
        series.append(i, 1000.0 if i == spike else random.Random(i).random())
    assert len(series) <= 256
    assert max(series.ys) == 1000.0
    assert list(series.xs) == sorted(series.xs)
    assert series.last == (199_999, random.Random(199_999).random())


def test_series_keeps_nan() -> None:
    series = BoundedSeries(capacity=16)
    for i in range(1000):
        series.append(i, float("nan") if i == 500 else 1.0)
    assert any(y != y for y in series.ys)
    assert isinstance(series.xs, array)


def test_the_names_of_runs_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also within a second, whatever the seed."""
    began = datetime(2026, 11, 25, 7, 16, 4, 990_000)
    moments = [began + timedelta(milliseconds=7 * i) for i in range(5)]
    named = []
    for i, moment in enumerate(moments):
        monkeypatch.setattr(directory, "datetime", SimpleNamespace(now=lambda moment=moment: moment))
        named.append(directory.new_run_id(9 - i))
    assert named == sorted(named)
    assert len(set(named)) == len(named)
