"""Tests of the race: who leads, and who was first."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from engines.api import SeedResults, from_settings, lead
from engines.messages.events import RunFinished
from engines.runs.history import RunHistory
from tests.support.ended_run import ended_run
from tests.support.histories import simulated_run
from tui.widgets.race import render_race

COLORS = {"$pytorch": "red", "$keras": "blue"}


def test_the_lead_is_the_time_since_the_leader_was_at_that_step() -> None:
    leader = lead(simulated_run("pytorch", 0.5, 60), simulated_run("keras", 0.4, 75))
    assert leader is not None
    assert (leader.engine, leader.steps, leader.changes) == ("keras", 15, 0)
    assert leader.seconds == pytest.approx(60 * 0.5 - 60 * 0.4)


def test_of_equally_many_steps_the_earlier_ones_lead() -> None:
    for first, second, engine in ((0.5, 0.4, "keras"), (0.4, 0.5, "pytorch")):
        leader = lead(simulated_run("pytorch", first, 50), simulated_run("keras", second, 50))
        assert leader is not None
        assert (leader.engine, leader.steps) == (engine, 0)
        assert leader.seconds == pytest.approx(5.0)


def test_lead_changes_are_counted() -> None:
    leader = lead(simulated_run("pytorch", 0.5), simulated_run("keras", 0.4, slow_after=50))
    assert leader is not None
    assert (leader.engine, leader.changes) == ("pytorch", 1)


def test_a_lead_within_the_noise_of_the_reports_is_no_change() -> None:
    """Keras is ahead at every second step by less than 0.2 s: each engine reports some twenty times a second."""
    for noise, changes in ((0.19, 0), (0.21, 49)):
        steady, jittery = simulated_run("pytorch", 1.0, 50), simulated_run("keras", 1.0, 50)
        jittery.step_seconds.ys[:] = array("d", (step + (noise if step % 2 else -noise) for step in range(1, 51)))
        leader = lead(steady, jittery)
        assert leader is not None
        assert leader.changes == changes


def test_no_lead_before_both_have_made_a_step() -> None:
    assert lead(simulated_run("pytorch", 0.5), RunHistory("keras")) is None


def test_the_winner_finished_first_and_need_not_have_more_steps() -> None:
    """A target that is reached early ends a run with fewer steps."""
    early, late = simulated_run("pytorch", 0.5, 50), simulated_run("keras", 0.5, 100)
    for history in (early, late):
        history.apply(
            RunFinished(
                engine=history.engine,
                t=history.last_t + 1.0,
                outcome="completed",
                test_accuracy=None,
                test_loss=None,
                best_epoch=None,
                train_seconds=1.0,
                wall_seconds=1.0,
            )
        )
    first, _ = render_race({"pytorch": early, "keras": late}, 0.0, SeedResults(), 200, COLORS, False)
    assert "PyTorch was first by 25.0 s" in first.plain


TRIAL: dict[str, Any] = {"mode": "time-trial", "device": "cpu"}


def in_series(seed: int, **settings: Any) -> dict[str, RunHistory]:
    """Return the runs of both engines with a seed; PyTorch's epochs take some three times as long."""
    times = {"pytorch": (3.0, 3.1, 2.9 + seed / 10), "keras": (1.0, 1.02, 0.98)}
    correct = {"pytorch": 9900, "keras": 9910 + seed}
    return {
        engine: ended_run(engine, seed, correct[engine], run_id=f"run-{seed}", epoch_times=its, **settings)
        for engine, its in times.items()
    }


def lanes(series: SeedResults, histories: dict[str, RunHistory], width: int = 120, seed_lanes: int = 0) -> list[str]:
    return [lane.plain for lane in render_race(histories, 0.0, series, width, COLORS, False, seed_lanes)]


def test_a_lane_names_its_seeds_place_in_the_series() -> None:
    series = SeedResults.of(from_settings({"seed": 4, "seeds": 3}))
    runs = in_series(5, seeds=3)
    first, second = lanes(series, runs)
    assert first.startswith(" seed 2 of 3 PyTorch")
    assert second.startswith("             Keras")
    runs["keras"] = in_series(6, seeds=3)["keras"]
    assert lanes(series, runs)[1].startswith(" seed 3 of 3 Keras"), "in a time trial one engine is a seed ahead"
    assert lanes(series, runs, width=60)[0].startswith(" seed 2/3 PyTorch")
    assert lanes(SeedResults(), runs)[0].startswith(" race PyTorch")


def test_finished_seeds_have_lanes_where_there_is_room() -> None:
    series = SeedResults.of(from_settings({"seeds": 4}))
    for seed in range(4):
        for history in in_series(seed, seeds=4).values():
            series.add(history)
    runs = in_series(3, seeds=4)
    assert len(lanes(series, runs)) == 2
    shown = lanes(series, runs, seed_lanes=2)
    assert [lane.split("PyTorch")[0].strip() for lane in shown[:2]] == ["seed 1", "seed 2"], (
        "the newest, without the shown run"
    )
    assert "PyTorch 99.00 %   Keras 99.12 %   -0.12 points" in shown[1]
    assert len(shown) == 4


def test_a_time_trial_says_how_many_times_faster_with_its_interval() -> None:
    runs = in_series(0, **TRIAL)
    assert (
        "Keras 3.00x faster per epoch, 95 % interval 2.80 to 3.21 (3 epochs each)" in lanes(SeedResults(), runs, 200)[1]
    )
    assert "Keras 3.00x faster per epoch" in lanes(SeedResults(), runs, 80)[1]
    series = SeedResults.of(from_settings({"seeds": 2, **TRIAL}))
    for seed in range(2):
        for history in in_series(seed, seeds=2, **TRIAL).values():
            series.add(history)
    first, second = lanes(series, in_series(1, seeds=2, **TRIAL), 200)
    assert "statistical tie over 2 seeds, p = 0.500" in first
    assert "x faster per epoch" in second
    assert "(2 seeds)" in second
