"""Comparisons of two engines: the verdict on one race, and whether their times are comparable."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engines.messages.events import DataReady, Device, EvalCompleted, RunRequested, WorkerReady
from engines.preset_configs import from_settings
from engines.runs.comparison import compare_answers, device_caveat, device_of, time_caveat, verdict
from engines.runs.history import RunHistory
from engines.runs.statistics import TIE
from tests.support.ended_run import ended_run


def on_mnist(history: RunHistory, sha256: str = "0") -> RunHistory:
    """Return the history of a run with those digits."""
    history.apply(DataReady(
        engine=history.engine, t=0.5, dataset="mnist", source="", sha256=sha256, train_size=60_000, test_size=10_000, seconds=1.0
    ))  # fmt: skip
    return history


def race(pytorch: int = 9900, keras: int = 9800, **of_keras: Any) -> dict[str, RunHistory]:
    """Return a race of one seed; `of_keras` is what differs in the run of Keras."""
    return {
        "pytorch": on_mnist(ended_run("pytorch", 0, pytorch)),
        "keras": on_mnist(ended_run("keras", **{"seed": 0, "correct": keras, **of_keras})),
    }


def test_the_verdict_on_one_race_is_on_two_networks() -> None:
    """However small McNemar's p-value for one seed is, "PyTorch ahead" needs several."""
    result = verdict(race())
    assert result is not None
    assert result.text == "this PyTorch network is ahead (one seed)"
    assert result.p_value < 0.001
    other = verdict(race(9800, 9900))
    assert other is not None
    assert other.text == "this Keras network is ahead (one seed)"


def test_networks_are_compared_only_after_equally_many_steps_from_equal_weights() -> None:
    assert verdict(race(steps=101)) is None
    assert verdict(race(seed=1)) is None
    assert verdict({**race(), "keras": on_mnist(ended_run("keras", 0, 9800), "other digits")}) is None
    assert verdict({"pytorch": race()["pytorch"]}) is None
    assert verdict({**race(), "keras": RunHistory("keras")}) is None


def test_there_is_no_verdict_while_one_of_them_trains() -> None:
    histories = race()
    histories["keras"].ended_t = None
    assert verdict(histories) is None


def test_a_race_whose_p_value_is_between_5_and_10_percent_is_a_tie() -> None:
    """Seven digits right in PyTorch alone: p is 2 / 2 ** 7 = 0.016; six: 0.031; five: 0.0625, above the level of 0.05."""
    for more, text in (
        (7, "this PyTorch network is ahead (one seed)"),
        (6, "this PyTorch network is ahead (one seed)"),
        (5, TIE),
    ):
        result = verdict(race(9900, 9900 - more))
        assert result is not None
        assert (result.text, result.p_value) == (text, 2 / 2**more)


def answering(engine: str, mistakes: dict[int, int]) -> RunHistory:
    """Return the history of a network with these wrong answers, by the index of the test digit."""
    history = RunHistory(engine)
    history.apply(RunRequested(engine=engine, t=0.0, config=from_settings({})))
    history.apply(EvalCompleted(
        engine=engine, t=1.0, epoch=1, global_step=1, split="test", loss=0.1, accuracy=0.9, seconds=0.1, confusion=(0,) * 100,
        mistakes=tuple((i, 0, predicted) for i, predicted in mistakes.items()),
    ))  # fmt: skip
    return on_mnist(history)


def test_answers_are_compared_digit_by_digit() -> None:
    """Digits 4 and 5 are right in PyTorch alone, 1 in Keras alone; both misread 2 alike and 3 differently."""
    first, second = answering("pytorch", {1: 7, 2: 7, 3: 7}), answering("keras", {2: 7, 3: 8, 4: 7, 5: 7})
    answers = compare_answers(first, second)
    assert answers is not None
    assert (answers.only_first, answers.only_second, answers.differ) == (2, 1, 4)
    other = compare_answers(second, first)
    assert other == replace(answers, only_first=1, only_second=2)


@pytest.mark.parametrize(
    ("device", "expected"), [("auto", "cuda:1"), ("all", "cuda:1,cuda:2"), ("cuda:2", "cuda:2"), ("cpu", "cpu")]
)
def test_the_device_of_a_run_that_has_not_started(device: str, expected: str) -> None:
    """The first GPU can't be used."""
    history = RunHistory("keras")
    gpus = [Device(id=f"cuda:{number}", name="GPU", usable=number > 0) for number in range(3)]
    history.apply(WorkerReady(
        engine="keras", pid=1, framework="F", version="1", devices=(Device(id="cpu", name="CPU"), *gpus), num_threads=1,
        import_seconds=1.0,
    ))  # fmt: skip
    history.apply(RunRequested(engine="keras", config=from_settings({"device": device})))
    assert device_of(history) == expected


@pytest.mark.parametrize(
    ("count", "device", "caveat"),
    [
        (1, "auto", "shared GPU: times not comparable"),
        (2, "auto", ""),  # each may get its own
        (2, "cuda:1", "shared GPU: times not comparable"),
    ],
)
def test_a_race_is_not_judged_before_its_gpus_are_known(count: int, device: str, caveat: str) -> None:
    histories = {engine: RunHistory(engine) for engine in ("pytorch", "keras")}
    gpus = tuple(Device(id=f"cuda:{i}", name="fake GPU") for i in range(count))
    for engine, history in histories.items():
        history.apply(
            WorkerReady(
                engine=engine, pid=1, framework="F", version="1", devices=gpus, num_threads=1, import_seconds=1.0
            )
        )
        history.apply(RunRequested(engine=engine, config=from_settings({"device": device, "mode": "race"})))
    assert time_caveat(histories) == caveat


@pytest.mark.parametrize(("device", "expected"), [("auto", "cpu"), ("all", "all")])
def test_the_device_of_a_run_without_a_gpu(device: str, expected: str) -> None:
    history = RunHistory("keras")
    history.apply(RunRequested(engine="keras", config=from_settings({"device": device})))
    assert device_of(history) == expected


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


@pytest.mark.parametrize(
    ("mode", "devices", "caveat"),
    [
        ("race", ("cuda:0",), "3 runs at once, shared CPU: times barely comparable"),
        ("race", ("cpu",), "3 runs at once, shared CPU: times not comparable"),
        ("time-trial", ("cpu", "cpu"), "3 runs at once, shared CPU: times not comparable"),
        ("time-trial", ("cuda:0", "cuda:0"), "3 runs at once, shared CPU: times barely comparable"),
        ("race", ("cuda:0", "cuda:1"), "3 runs at once, shared CPU: times barely comparable"),
        ("race", ("cuda:0", "cuda:0"), "shared GPU: times not comparable"),
    ],
)
def test_times_of_runs_that_train_at_once_have_a_caveat(mode: str, devices: tuple[str, ...], caveat: str) -> None:
    histories = {f"engine {i}": RunHistory(f"engine {i}") for i in range(len(devices))}
    for (engine, history), device in zip(histories.items(), devices, strict=True):
        config = from_settings({"mode": mode, "device": device})
        history.apply(RunRequested(engine=engine, config=config, jobs=3))
    assert time_caveat(histories) == caveat
