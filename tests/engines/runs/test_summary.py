"""The times of a run: in its summary, in the closing line and on its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from engines.messages.events import (
    Event,
    RunFinished,
    RunStarted,
    WarmedUp,
    WorkerReady,
    WorkerSpawned,
)
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory
from engines.runs.summary import engine_summary
from tests.support.run_events import life, validated_life
from tui.reports.card import report
from tui.reports.run_summary import summary_line


def applied(events: Sequence[Event]) -> RunHistory:
    """Return the history after these events."""
    history = RunHistory("keras")
    for event in events:
        history.apply(event)
    return history


def life_in(spawned: float, ready: float) -> list[Event]:
    """Return a life whose worker was spawned and ready at these times; the run is requested at 0."""
    requested, spawn, worker, *rest = life()
    start = sorted((requested, replace(spawn, t=spawned), replace(worker, t=ready)), key=lambda event: event.t)
    return [*start, *rest]


def times_on_card(history: RunHistory) -> dict[str, str]:
    """Return the figures of the card by their labels."""
    card = report({"keras": history}, MachineHistory())
    assert card is not None
    return {row.label: row.values[0] for _, rows in card.groups for row in rows}


def test_the_wall_time_includes_the_import_even_if_the_record_left_it_out() -> None:
    history = RunHistory("keras")
    for event in life():
        history.apply(replace(event, wall_seconds=7.1) if isinstance(event, RunFinished) else event)
    assert engine_summary(history)["wall_seconds"] == history.wall_seconds(99.0) == 30.0
    assert "wall 30.0 s" in summary_line(history)


def test_a_wall_time_is_that_of_every_run_that_was_requested() -> None:
    """The list of runs once had no time for a run that was cut off, while its card had one."""
    history = applied(life()[:11])
    assert history.finished is None
    assert engine_summary(history)["wall_seconds"] == history.wall_seconds(history.last_t) == 9.0
    assert engine_summary(RunHistory("keras"))["wall_seconds"] is None


@pytest.mark.parametrize(("spawned", "ready", "wall_time", "on_card"), [
    (0.1, 3.0, "wall 30.0 s (with import 2.50 s, building 0.50 s, first step 0.50 s)", "2.50 s, in the wall time"),
    (-2.0, 1.0, "wall 30.0 s (with import 1.00 s, building 0.50 s, first step 0.50 s)", "2.50 s, 1.00 s of it in the wall time"),
    (-9.0, -8.0, "wall 30.0 s (in a warm worker, with building 0.50 s, first step 0.50 s)", "2.50 s, before the run"),
])  # fmt: skip
def test_cold_and_warm_starts_are_labelled(spawned: float, ready: float, wall_time: str, on_card: str) -> None:
    """Only the first of two seeds in one series waits for the import."""
    history = applied(life_in(spawned, ready))
    assert wall_time in summary_line(history)
    assert engine_summary(history)["began_cold"] is (ready > 0)
    times = times_on_card(history)
    assert times["import"] == on_card
    assert times["wall, since asked for"] == "30.0 s"
    assert times["to 97 %"] == "00:11 wall"


@pytest.mark.parametrize(("spawned", "ready", "warm_up", "building", "first_step"), [
    (0.1, 3.0, None, "0.50 s", "0.50 s"),
    (-9.0, -8.0, (3.5, 0.3), "0.50 s + 3.50 s in the warm-up", "0.50 s + 0.30 s in the warm-up"),
    (-9.0, -8.0, None, "0.50 s, in a warm worker", "0.50 s, in a warm worker"),
    (-9.0, -8.0, (None, None), "0.50 s, in a warm worker", "0.50 s, in a warm worker"),
])  # fmt: skip
def test_the_first_build_counts_also_in_the_warm_up(
    spawned: float, ready: float, warm_up: tuple[float | None, float | None] | None, building: str, first_step: str
) -> None:
    """PyTorch imports 912 modules in its first build; a warm-up hid them, so that it seemed to start in 0.02 s."""
    events = life_in(spawned, ready)
    if warm_up is not None:
        built, stepped = warm_up
        warmed_up = WarmedUp(
            engine="keras", t=-1.0, samples_per_sec=1.0, build_seconds=built, first_step_seconds=stepped
        )
        events.insert(2, warmed_up)
    history = applied(events)
    times = times_on_card(history)
    assert (times["building"], times["first step"]) == (building, first_step)
    known = "warm worker" not in building
    total = 0.5 + ((warm_up[0] or 0.0) if warm_up else 0.0)
    assert history.build_seconds == (total if known else None)
    assert engine_summary(history)["build_seconds"] == 0.5, "the run's own"
    assert engine_summary(history)["warm_up"] == (
        {"build_seconds": warm_up[0], "first_step_seconds": warm_up[1]} if warm_up else None
    )


def test_a_new_worker_has_no_warm_up_yet() -> None:
    history = applied(
        [WarmedUp(engine="keras", samples_per_sec=7.0, build_seconds=3.5, first_step_seconds=0.3), *life()]
    )
    assert (history.build_seconds, history.warm_samples_per_sec) == (0.5, 7.0)
    history.apply(WarmedUp(engine="keras", samples_per_sec=None, build_seconds=1.0, first_step_seconds=1.0))
    assert history.warm_samples_per_sec == 7.0, "a run came before the second step"


def test_an_import_that_was_not_recorded_is_not_available() -> None:
    """A record of another version, or one that was cut."""
    events = [event for event in life() if not isinstance(event, WorkerReady | WorkerSpawned)]
    assert times_on_card(applied(events))["import"] == "n/a: not recorded"


def test_a_resumed_run_says_so_beside_its_wall_time() -> None:
    events = [replace(event, global_step=2) if isinstance(event, RunStarted) else event for event in life()]
    assert "(resumed, with import" in summary_line(applied(events))


def test_a_summary_says_which_digits_judged() -> None:
    summary = engine_summary(applied(validated_life()))
    assert (summary["judged_by"], summary["validation_size"], summary["validation_sha256"]) == ("validation", 16, "1")
    assert (summary["best_epoch"], summary["best_accuracy"], summary["test_accuracy"]) == (1, 0.975, 0.75)
    summary = engine_summary(applied(life()))
    assert (summary["judged_by"], summary["validation_size"], summary["best_epoch"]) == ("test", 0, 2)
