"""Comparisons of two engines: the verdict on one race, and whether their times are comparable."""

from __future__ import annotations

import pytest

from engines.messages.events import DataReady
from engines.runs.comparison import device_caveat, verdict
from tests.support.ended_run import ended_run


def test_the_verdict_on_one_race_is_on_two_networks() -> None:
    """However small McNemar's p-value for one seed is, "PyTorch ahead" needs several."""
    histories = {engine: ended_run(engine, 0, correct) for engine, correct in (("pytorch", 9900), ("keras", 9800))}
    for engine, history in histories.items():
        history.apply(DataReady(
            engine=engine, t=0.5, dataset="mnist", source="", sha256="0", train_size=60_000, test_size=10_000, seconds=1.0
        ))  # fmt: skip
    result = verdict(histories)
    assert result is not None
    assert result.text == "this PyTorch network is ahead (one seed)"
    assert result.p_value < 0.001


@pytest.mark.parametrize(
    ("mode", "devices", "caveat"),
    [
        ("race", ("cpu", "cpu"), "shared CPU: times not comparable"),
        ("race", ("cuda:0", "cuda:0"), "shared GPU: times not comparable"),
        ("race", ("cuda:0", "cuda:1"), "two GPUs, shared CPU: times barely comparable"),
        ("race", ("cuda:0", "cpu"), "CPU and GPU: times not comparable"),
        ("time-trial", ("cpu", "cpu"), ""),
        ("time-trial", ("cuda:0", "cuda:0"), ""),
        ("time-trial", ("cuda:0", "cpu"), "CPU and GPU: times not comparable"),
        ("time-trial", ("cuda:0", "cuda:1"), "two GPUs: times barely comparable"),
        ("race", ("mps", "cpu"), "CPU and GPU: times not comparable"),
        ("race", ("cpu",), ""),
        ("race", ("cpu,cpu", "cpu,cpu"), "shared CPU: times not comparable"),
        ("race", ("cuda:0,cuda:1", "cuda:2,cuda:3"), "separate GPUs, shared CPU: times barely comparable"),
        ("race", ("cuda:0,cuda:1", "cuda:1,cuda:2"), "shared GPU: times not comparable"),
        ("time-trial", ("cuda:0,cuda:1", "cuda:0,cuda:1"), ""),
        ("time-trial", ("cuda:0,cuda:1", "cuda:0"), "1 and 2 devices: times not comparable"),
    ],
)
def test_when_times_are_comparable(mode: str, devices: tuple[str, ...], caveat: str) -> None:
    assert device_caveat(mode, {f"engine {i}": device for i, device in enumerate(devices)}) == caveat
