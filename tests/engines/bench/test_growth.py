"""`bench growth` in its smallest form: a short history, a few runs, and a scripted worker."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engines.bench import growth
from engines.messages.events import TrainProgress
from engines.runs.reader import list_runs
from tests.support.engines import scripted_spec


def test_growth_is_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small_mnist: Path) -> None:
    for name, value in (("STEPS", 500), ("BATCH", 1), ("EVENTS", (1_000, 5_000)), ("RUNS", (2, 60))):
        monkeypatch.setattr(growth, name, value)
    listed: list[int] = []

    def counted(folder: Path) -> list[object]:
        listed.append(len(list(folder.iterdir())))
        return list(list_runs(folder))

    monkeypatch.setattr(growth, "list_runs", counted)
    rows = list(growth.measure_growth([scripted_spec()], 2, tmp_path, str(small_mnist)))
    assert [row.name for row in rows] == [
        "an event into the history, step 10^6",
        "the last 50 of 2 runs listed",
        "the last 50 of 60 runs listed",
        "pytorch, a step at 500",
    ]
    assert listed == [2, 2, 60, 60]
    assert all(len(row.ratios) == 2 and min(row.ratios) > 0 for row in rows), rows


def test_the_seconds_of_a_step_are_those_between_two_steps() -> None:
    def progress(step: int, t: float) -> TrainProgress:
        event = growth._progress(step - 1)
        assert isinstance(event, TrainProgress)
        assert event.global_step == step
        return replace(event, t=t)

    events = [progress(1, 0.0), progress(10, 9.0), progress(20, 29.0), progress(30, 59.0)]
    assert growth._seconds_per_step(events, 1, 10) == 1.0
    assert growth._seconds_per_step(events, 10, 30) == 2.5
