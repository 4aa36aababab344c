"""The order and the ratios of `bench engines`, with fake runners."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engines.bench import engines
from engines.bench.engines import BASELINES, Baseline, BenchPlace, Cost, measure_engines, measure_ratios, tabulate
from engines.supervision.registry import EngineSpec
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
