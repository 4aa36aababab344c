"""Tests of the race: who leads, and who was first."""

from __future__ import annotations

import pytest

from engines.api import SeedResults, lead
from engines.messages.events import RunFinished
from engines.runs.history import RunHistory
from tests.support.histories import simulated_run
from tui.widgets.race import render_race


def test_the_lead_is_the_time_since_the_leader_was_at_that_step() -> None:
    leader = lead(simulated_run("pytorch", 0.5, 60), simulated_run("keras", 0.4, 75))
    assert leader is not None
    assert (leader.engine, leader.steps, leader.changes) == ("keras", 15, 0)
    assert leader.seconds == pytest.approx(60 * 0.5 - 60 * 0.4)


def test_lead_changes_are_counted() -> None:
    leader = lead(simulated_run("pytorch", 0.5), simulated_run("keras", 0.4, slow_after=50))
    assert leader is not None
    assert (leader.engine, leader.changes) == ("pytorch", 1)


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
    colors = {"$pytorch": "red", "$keras": "blue"}
    first, _ = render_race({"pytorch": early, "keras": late}, 0.0, SeedResults(), 200, colors, False)
    assert "PyTorch was first by 25.0 s" in first.plain
