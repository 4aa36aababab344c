"""Estimates of how long a run will take."""

from __future__ import annotations

from typing import Any

import pytest

from engines.preset_configs import from_settings
from engines.runs.time_estimate import PaceKey, estimate_seconds, paces_of

CONFIG: dict[str, Any] = {"batch_size": 100, "mode": "race", "keras_backend": "tensorflow"}


def run_of(**summaries: Any) -> dict[str, Any]:
    return {"engines": dict.fromkeys(summaries, CONFIG), "summary": summaries}


def result(seconds: object, device: str = "cpu", steps: object = 10) -> dict[str, Any]:
    return {"train_seconds": seconds, "global_step": steps, "device": device}


def test_the_newest_run_on_a_device_gives_the_pace() -> None:
    runs = [
        run_of(pytorch=result(2.0)),
        run_of(pytorch=result(9.0)),
        run_of(pytorch=result(1.0, "cuda:0"), keras=result(3.0, "cuda:0")),
    ]
    assert paces_of(runs) == {
        PaceKey("pytorch", "cpu", False): 0.002,
        PaceKey("pytorch", "cuda:0", True): 0.001,
        PaceKey("keras", "cuda:0", True): 0.003,
    }


def test_a_run_that_trained_beside_others_of_its_series_has_no_pace() -> None:
    assert paces_of([run_of(pytorch={**result(2.0), "jobs": 2}), run_of(pytorch={**result(1.0), "jobs": 1})]) == {
        PaceKey("pytorch", "cpu", False): 0.001
    }


@pytest.mark.parametrize(
    "its", [result(None), result(0.0), result("2"), result(2.0, steps=0), result(2.0, steps=None), 7]
)
def test_a_run_without_a_time_has_no_pace(its: object) -> None:
    assert paces_of([run_of(pytorch=its)]) == {}


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        ({"epochs": 3}, 3 * (60_000 + 10_000 / 3) * 0.002),
        ({"epochs": 3, "mode": "time-trial"}, 3 * (60_000 + 10_000 / 3) * 0.003),
        ({"epochs": 1, "limit_train": 600, "limit_test": 300, "seeds": 4}, 4 * 700 * 0.002),
    ],
)
def test_a_race_takes_as_long_as_the_slower_engine(settings: dict[str, Any], seconds: float) -> None:
    configs = dict.fromkeys(("pytorch", "keras"), from_settings(settings))
    paces = {PaceKey("pytorch", "cpu", True): 0.001, PaceKey("keras", "cpu", True): 0.002}
    devices = {"pytorch": "cpu", "keras": "cpu"}
    assert estimate_seconds(configs, devices, paces, {}) == pytest.approx(seconds)


def test_a_warm_up_gives_the_pace_on_the_cpu_alone() -> None:
    configs = {"keras": from_settings({"epochs": 1, "limit_train": 600, "limit_test": 300})}
    assert estimate_seconds(configs, {"keras": "cpu"}, {}, {"keras": 100.0}) == pytest.approx(7.0)
    assert estimate_seconds(configs, {"keras": "cuda:0"}, {}, {"keras": 100.0}) is None
    assert estimate_seconds(configs, {"keras": "cpu"}, {}, {"keras": None}) is None
    assert estimate_seconds({}, {}, {}, {}) is None
