"""The order and the ratios of `bench engines`, with fake runners, and once with real ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.bench import engines
from engines.bench.engines import (
    BASELINES,
    Baseline,
    BaselineRunner,
    BenchPlace,
    Cost,
    WorkerRunner,
    measure_concurrently,
    measure_engines,
    measure_ratios,
    tabulate,
)
from engines.bench.measurement import BenchError
from engines.config import ENGINES
from engines.messages.events import EvalCompleted, Event, TrainProgress
from engines.monitors.cgroups import affinity_ids
from engines.supervision.registry import EngineSpec
from tests.support.digits import random_digits, write_idx
from tests.support.engines import scripted_spec

OURS = Cost(train=1.0, evaluate=0.5, train_cpu=2.0, evaluate_cpu=1.0)


def test_costs_are_compared_figure_by_figure() -> None:
    other = Cost(train=3.0, evaluate=0.25, train_cpu=2.0, evaluate_cpu=4.0)
    assert OURS.times_faster(other) == Cost(train=3.0, evaluate=0.5, train_cpu=1.0, evaluate_cpu=4.0)


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the runners that measured, in order; a baseline costs as many times ours as its title has letters."""
    titles: list[str] = []

    class FakeWorker:
        def __init__(self, spec: EngineSpec, cores: Sequence[int], *folders: Any) -> None:
            self.title, self.factor = "ours", 1

        def warm_up(self) -> None:
            pass

        def measure(self) -> Cost:
            titles.append(self.title)
            return Cost(
                *(self.factor * figure for figure in (OURS.train, OURS.evaluate, OURS.train_cpu, OURS.evaluate_cpu))
            )

        def close(self) -> None:
            pass

    class FakeBaseline(FakeWorker):
        def __init__(self, spec: EngineSpec, baseline: Baseline, *more: Any) -> None:
            self.title, self.factor = baseline.title, len(baseline.title)

    monkeypatch.setattr(engines, "WorkerRunner", FakeWorker)
    monkeypatch.setattr(engines, "BaselineRunner", FakeBaseline)
    return titles


def test_the_order_is_reversed_and_every_baseline_has_its_ratio(turns: list[str], tmp_path: Path) -> None:
    spec = scripted_spec()
    ratios = measure_ratios([spec], [(0,)], BASELINES, 2, BenchPlace(tmp_path, ""))[spec.name]
    titles = ["ours", *(baseline.title for baseline in BASELINES)]
    assert turns == ["ours", *titles, *titles[::-1]], "the first is the warm-up"
    for baseline, costs in ratios.items():
        assert costs == [Cost(*[len(baseline.title)] * 4)] * 2
    table = list(tabulate(spec, "1 core", ratios, "≥ 1.6"))
    assert [row.budget for row in table if row.budget] == ["≥ 1.6"], "only training against the plain script has one"
    assert len({(row.name, row.meaning) for row in table}) == 4 * len(BASELINES)


def test_on_a_gpu_each_engine_is_measured_alone_with_budgets_of_its_own(turns: list[str], tmp_path: Path) -> None:
    specs = [scripted_spec("pytorch"), scripted_spec("keras")]
    rows = list(measure_engines(specs, 1, BenchPlace(tmp_path, "", "cuda:1")))
    assert {row.name.partition(", ")[2].removesuffix(", CPU") for row in rows} == {"cuda:1"}
    assert [row.budget for row in rows if row.budget] == ["≥ 10", "≥ 3"]


def test_a_script_sees_only_the_gpu_that_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [BenchPlace(tmp_path, "", device).visible_gpu for device in ("cpu", "cuda:1")] == ["-1", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a,GPU-b")
    assert BenchPlace(tmp_path, "", "cuda:1").visible_gpu == "GPU-b"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BenchPlace:
    """Make the measurements small: three steps, on random digits."""
    images, labels = random_digits(500)
    for part, count in (("train", 384), ("t10k", 500)):
        write_idx(tmp_path / "digits", images[:count], labels[:count], part, zipped=False)
    monkeypatch.setattr(engines, "TRAIN_DIGITS", 384)
    monkeypatch.setattr(engines, "TEST_DIGITS", 500)
    return BenchPlace(tmp_path, str(tmp_path / "digits"))


@pytest.mark.framework
@pytest.mark.parametrize("engine", ENGINES)
def test_the_experts_loop_is_timed(engine: str, place: BenchPlace) -> None:
    """The plain script is timed in tests/engines/worker/test_baseline_runner.py."""
    (baseline,) = (one for one in BASELINES if one.title == "expert's loop")
    runner = BaselineRunner(scripted_spec(engine), baseline, affinity_ids(), place)
    try:
        runner.warm_up()
        (cost,) = measure_concurrently([runner])
    finally:
        runner.close()
    assert min(dataclasses.astuple(cost)) > 0


def test_a_worker_is_timed_from_one_event_to_another(place: BenchPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step, which compiles, is left out: its digits take the time of the others."""
    runner = WorkerRunner(scripted_spec(), affinity_ids(), place)
    try:
        cost = runner.measure()
        assert min(cost.train, cost.evaluate) > 0
        assert min(cost.train_cpu, cost.evaluate_cpu) >= 0, "in ticks of the kernel"
        events = runner.train(epochs=1, limit_train=384, limit_test=500)
        ends = [event for event in events if isinstance(event, TrainProgress)]
        (test,) = (event for event in events if isinstance(event, EvalCompleted))
        first, last = replace(ends[0], t=10.0, samples_seen=128), replace(ends[-1], t=12.0, samples_seen=384)

        def train(**settings: object) -> list[Event]:
            runner._cpu_seconds.update({first.seq: 1.0, last.seq: 5.0, test.seq: 5.5})
            return [first, last, replace(test, seconds=0.25)]

        monkeypatch.setattr(runner, "train", train)
        assert runner.measure() == Cost(train=3.0, evaluate=0.25, train_cpu=6.0, evaluate_cpu=0.5)
    finally:
        runner.close()


def test_a_worker_that_ends_is_an_error(place: BenchPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "kill@1")
    runner = WorkerRunner(scripted_spec(), affinity_ids(), place)
    try:
        with pytest.raises(BenchError, match="SIGKILL"):
            runner.measure()
    finally:
        runner.close()


def test_a_script_that_fails_is_an_error_with_the_command_that_shows_why(tmp_path: Path) -> None:
    runner = BaselineRunner(scripted_spec("nothing"), BASELINES[0], (0,), BenchPlace(tmp_path, "/nowhere"))
    with pytest.raises(
        BenchError, match=r"^The plain script of nothing failed; to see why, run: env .* --plain nothing\.script"
    ):
        runner.warm_up()
    runner.close()
