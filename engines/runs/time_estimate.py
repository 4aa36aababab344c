"""Estimate how long a run will take, from the pace of saved runs or of the workers' warm-up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from engines.config import TrainConfig, engine_id
from engines.preset_configs import for_engine

MNIST_TRAIN, MNIST_TEST = 60_000, 10_000
EVALUATION_COST = 1 / 3
"""Cost of evaluating a digit, in digits trained: a backward pass costs about two forward passes (Kaplan et al. 2020, 2.1)."""


class PaceKey(NamedTuple):
    """The conditions that decide an engine's pace."""

    engine: str
    """The engine's id, which names a backend other than TensorFlow."""
    device: str
    """A device as RunStarted names it: "cpu", "cuda:0"."""
    racing: bool
    """True when another engine trains at the same time."""


def paces_of(runs: Iterable[Mapping[str, Any]]) -> dict[PaceKey, float]:
    """Return seconds per trained digit in the newest of the runs that has them; `runs` are items of `list_runs`."""
    paces: dict[PaceKey, float] = {}
    for run in runs:
        racing = len(run["engines"]) > 1
        for engine, config in run["engines"].items():
            its = run["summary"].get(engine)
            if not isinstance(its, dict) or its.get("jobs", 1) != 1:  # others of its series slowed it down
                continue
            seconds, steps, batch_size = its.get("train_seconds"), its.get("global_step"), config.get("batch_size")
            # An interrupted run may have no time yet, and a file that another program wrote may hold anything.
            if all(isinstance(value, int | float) and value > 0 for value in (seconds, steps, batch_size)):
                name = engine_id(engine, str(config.get("keras_backend", "tensorflow")))
                together = racing and config.get("mode") == "race"
                paces.setdefault(PaceKey(name, str(its.get("device")), together), seconds / (steps * batch_size))
    return paces


def estimate_seconds(
    configs: Mapping[str, TrainConfig],
    devices: Mapping[str, str],
    paces: Mapping[PaceKey, float],
    warm_rates: Mapping[str, float | None],
) -> float | None:
    """Return the seconds that training and evaluating will take; None when an engine has no pace on its device yet.

    `devices` are the devices of the engines, resolved; `warm_rates` their digits per second on the CPU, from the warm-up.
    """
    seconds: list[float] = []
    for engine, shared in configs.items():
        config, device = for_engine(shared, engine), devices.get(engine, "")
        racing = config.mode == "race" and len(configs) > 1
        keys = [PaceKey(engine_id(engine, config.keras_backend), device, together) for together in (racing, not racing)]
        pace = next((paces[key] for key in keys if key in paces), None)
        if pace is None and device == "cpu" and (rate := warm_rates.get(engine)):
            pace = 1 / rate
        if pace is None:
            return None
        train, test = config.limit_train or MNIST_TRAIN, config.limit_test or MNIST_TEST
        train, evaluated = max(train - config.validation, 0), config.validation or test
        seconds.append(config.epochs * (train + EVALUATION_COST * evaluated) * pace)
    in_turn = any(config.mode == "time-trial" for config in configs.values())
    seeds = max((config.seeds for config in configs.values()), default=1)
    return seeds * (sum(seconds) if in_turn else max(seconds)) if seconds else None
