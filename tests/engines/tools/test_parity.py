"""The parity proof passes for equal engines, and fails for each difference."""

from __future__ import annotations

import dataclasses
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.config import TITLES
from engines.experiment import recipe
from engines.supervision.registry import EngineSpec
from engines.tools.parity import ParityError, compare, prove
from engines.tools.setup import plan
from tests.support.digits import REAL_MNIST
from tests.support.engines import scripted_spec
from tui.cli import arguments, main


def results(**changes: Any) -> dict[str, Any]:
    """Return an engine's results, as the parity probe writes them."""
    random = np.random.default_rng(1)
    before = recipe.initial_weights(0)
    after = {name: value + np.float32(0.01) for name, value in before.items()}
    return {
        "digits_sha256": "d", "order_sha256": "o", "logits": random.normal(size=(512, 10)), "losses": np.array([2.3, 2.1, 2.0]),
        **{f"before.{name}": value for name, value in before.items()},
        **{f"after.{name}": value for name, value in after.items()},
        **changes,
    }  # fmt: skip


def test_equal_results_pass() -> None:
    rows = compare(results(), results())
    assert all(row.passed for row in rows)
    assert [row.what for row in rows if row.part == "Setup"] == ["on the CPU, in fp32"]
    assert [row.value for row in rows if row.what == "parameters in all"] == ["1,199,882 and 1,199,882"]


def test_the_proof_names_the_steps_at_which_rounding_parts_the_losses() -> None:
    losses = np.full(20, 2.0)
    apart = losses + np.array([1e-7, 2e-6, 1e-5, 3e-4, 9e-4, *(9e-4,) * 15])
    rows = compare(results(losses=losses), results(losses=apart))
    (row,) = [row for row in rows if "losses apart" in row.what]
    assert (row.what, row.value) == ("losses apart by 1e-05, 1e-04, 1e-03 from step", "3, 4, after 20")
    assert (row.tolerance, row.passed) == ("", True)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"order_sha256": "another"}, "order"),
        ({"digits_sha256": "another"}, "digits"),
        ({"losses": np.array([2.3 + 2e-6, 2.1, 2.0])}, "step 1"),
        ({"losses": np.array([2.3, 2.1, 2.1])}, "step 3"),
        ({"logits": np.zeros((512, 10))}, "logits"),
        ({"before.dense2.kernel": np.zeros((128, 10), np.float32)}, "dense2: parameters"),
        ({"after.conv1.kernel": np.zeros((3, 3, 1, 32), np.float32)}, "conv1 after"),
    ],
)
def test_each_difference_fails_its_row(change: dict[str, Any], what: str) -> None:
    failed = [row.what for row in compare(results(), results(**change)) if not row.passed]
    assert any(what in name for name in failed)


@pytest.mark.parametrize(
    ("rate", "rho", "epsilon"),
    [(1.02, 0.95, 1e-7), (1.0, 0.945, 1e-7), (1.0, 0.9, 1e-7), (1.0, 0.95, 1.05e-7), (1.0, 0.95, 1e-6)],
)
def test_another_hyperparameter_fails(rate: float, rho: float, epsilon: float) -> None:
    """Compute Adadelta's first step (Zeiler 2012, algorithm 1) on gradients of the size in the reference's first batch."""
    before = recipe.initial_weights(0)
    gradients = {name: np.random.default_rng(2).normal(0, 0.005, value.shape) for name, value in before.items()}

    def stepped(rate: float, rho: float, epsilon: float) -> dict[str, Any]:
        steps = {name: rate * g * np.sqrt(epsilon / ((1 - rho) * g * g + epsilon)) for name, g in gradients.items()}
        return results(**{f"after.{name}": (before[name] + step).astype(np.float32) for name, step in steps.items()})

    reference = stepped(1.0, 0.95, 1e-7)
    assert all(row.passed for row in compare(reference, stepped(1.0, 0.95, 1e-7)))
    failed = [row.what for row in compare(reference, stepped(rate, rho, epsilon)) if not row.passed]
    assert failed == [f"{layer} after step 1, of its change" for layer in ("conv1", "conv2", "dense1", "dense2")]


def test_the_recipe() -> None:
    weights = recipe.initial_weights(0)
    assert sum(value.size for value in weights.values()) == 1_199_882
    assert sum(count for _, count in recipe.layer_parameters()) == 1_199_882
    assert dict(recipe.layer_parameters()) == {"conv1": 320, "conv2": 18_496, "dense1": 1_179_776, "dense2": 1_290}
    limit = np.sqrt(6 / (9 * (32 + 64)))  # Glorot & Bengio 2010, equation 16
    assert np.abs(weights["conv2.kernel"]).max() == pytest.approx(limit, rel=0.01)
    assert np.abs(weights["conv2.kernel"]).max() <= limit
    orders = [recipe.epoch_order(0, epoch, 1000) for epoch in (1, 2)]
    assert sorted(orders[0].tolist()) == list(range(1000))
    assert recipe.order_sha256(orders[0]) != recipe.order_sha256(orders[1])
    assert recipe.order_sha256(orders[0]) == recipe.order_sha256(recipe.epoch_order(0, 1, 1000))


def test_cross_entropy_of_extreme_logits() -> None:
    logits = np.array([[1000.0, 0.0], [0.0, 0.0]], np.float32)
    assert recipe.mean_cross_entropy(logits, np.array([1, 0], np.uint8)) == pytest.approx((1000 + np.log(2)) / 2)


@pytest.mark.framework
def test_both_frameworks_pass(small_mnist: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check everything but the epoch's tolerance, on real MNIST where the machine has it."""
    code = main.main(["parity", "--quick", "--json", "--data-dir", REAL_MNIST or str(small_mnist)])
    proof = json.loads(capsys.readouterr().out)
    failed = [row for row in proof["rows"] if not row["passed"]]
    assert code == bool(failed)
    assert failed == []
    assert "dropout" in proof["cannot_match"]


def test_an_engine_that_does_not_start_is_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arguments, "specs", lambda _: [_nowhere("pytorch"), _nowhere("keras")])
    assert main.main(["parity", "--quick"]) == 1
    assert "/nowhere/python" in capsys.readouterr().err


def test_an_engine_that_dies_ends_the_proof(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message quotes its last line, and the proof does not wait for the other engine, which would never end."""
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "hang@import")
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho last words\nexit 9\n")
    python.chmod(0o755)
    specs = [scripted_spec("pytorch"), dataclasses.replace(scripted_spec("keras"), python=str(python))]
    with pytest.raises(
        ParityError,
        match=r"^keras: its worker ended by code 9 without an answer: last words\. `mnist-tui doctor` checks",
    ):
        prove(specs, cache_dir=tmp_path, seed=0, data_dir="", dataset="drawn", full_epoch=True)


def test_a_proof_is_cancelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "hang@import")
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(ParityError, match="cancelled"):
        prove(
            [scripted_spec("pytorch"), scripted_spec("keras")],
            cache_dir=tmp_path,
            seed=0,
            data_dir="",
            dataset="drawn",
            full_epoch=True,
            cancelled=cancelled,
        )


def _nowhere(name: str) -> EngineSpec:
    return EngineSpec(name=name, title=TITLES[name], module="x", python="/nowhere/python")


def test_setup_never_joins_both_cuda_sets() -> None:
    commands = {engine: " ".join(word for command in plan(engine, "gpu") for word in command) for engine in TITLES}
    assert "tensorflow[and-cuda]" in commands["keras"]
    assert "torch" not in commands["keras"]
    assert "tensorflow" not in commands["pytorch"]
