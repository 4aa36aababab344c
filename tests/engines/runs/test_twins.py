"""The distance of two networks: of their weights and of their answers, as checkpoints and evaluations arrive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engines.experiment.arrays import save_arrays
from engines.experiment.recipe import KERNELS, Weights, initial_weights
from engines.messages.events import CheckpointSaved, EvalCompleted, TwinsCompared
from engines.runs import twins
from engines.runs.twins import TwinComparison, answers_apart, weights_apart


def evaluation(engine: str, step: int, mistakes: tuple[tuple[int, int, int], ...], size: int = 100) -> EvalCompleted:
    return EvalCompleted(
        engine=engine,
        epoch=step // 10,
        global_step=step,
        split="test",
        loss=0.1,
        accuracy=1 - len(mistakes) / size,
        seconds=1.0,
        confusion=(size, *(0,) * 99),
        mistakes=mistakes,
    )


def checkpoint(folder: Path, engine: str, step: int, weights: Weights) -> CheckpointSaved:
    """Write a checkpoint as small as one can be, and return its event."""
    path = folder / f"{engine}.npz"
    facts = f'{{"schema": 2, "position": {{"global_step": {step}}}, "seed": 0}}'
    save_arrays({"facts": np.array(facts), **{f"weights.{name}": value for name, value in weights.items()}}, path)
    return CheckpointSaved(engine=engine, run_id="run", path=str(path), epoch=step // 10 + 1, global_step=step)


def test_equal_weights_are_not_apart_and_a_layer_counts_alone() -> None:
    weights = initial_weights(0)
    assert weights_apart(weights, weights) == tuple((layer, 0.0) for layer in KERNELS)
    moved = weights | {"conv2.kernel": weights["conv2.kernel"] * np.float32(1.02)}
    apart = dict(weights_apart(weights, moved))
    assert apart.pop("conv2") == pytest.approx(0.02 / 1.01, rel=1e-4)
    assert set(apart.values()) == {0.0}
    assert dict(weights_apart(moved, weights))["conv2"] == pytest.approx(0.02 / 1.01, rel=1e-4), (
        "the same from both sides"
    )


def test_answers_are_counted_where_either_was_wrong() -> None:
    a = evaluation("pytorch", 10, ((1, 7, 2), (5, 3, 8), (9, 0, 6)))
    b = evaluation("keras", 10, ((1, 7, 2), (5, 3, 9), (20, 4, 9)))
    assert answers_apart(a, b) == 3, "digit 1 is the same wrong answer; 5, 9 and 20 differ"
    assert answers_apart(a, a) == 0
    assert answers_apart(a, evaluation("keras", 10, (), size=50)) is None
    held_out = replace(a, split="validation", confusion=(), mistakes=())
    assert answers_apart(held_out, held_out) is None, "of held-out digits, only the number of mistakes is known"


def test_the_second_engine_to_come_as_far_completes_a_comparison(tmp_path: Path) -> None:
    """The first one may be epochs ahead; its checkpoint has been replaced by then, and its weights have waited."""
    comparison = TwinComparison(("pytorch", "keras"), clock=lambda: 5.0)
    weights = [initial_weights(seed) for seed in range(4)]
    for epoch in (1, 2):
        assert comparison.apply(evaluation("pytorch", 10 * epoch, ((1, 7, 2),))) is None
        assert comparison.apply(checkpoint(tmp_path, "pytorch", 10 * epoch, weights[epoch])) is None
    for epoch in (1, 2):
        assert comparison.apply(evaluation("keras", 10 * epoch, ())) is None
        compared = comparison.apply(checkpoint(tmp_path, "keras", 10 * epoch, weights[3]))
        assert compared == TwinsCompared(
            engine="keras", run_id="run", t=5.0, epoch=epoch, global_step=10 * epoch,
            layers=weights_apart(weights[epoch], weights[3]), answers=1, test_size=100,
        )  # fmt: skip


def test_what_does_not_belong_together_is_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twins, "MAX_WAITING", 1)
    weights = initial_weights(0)
    alone = TwinComparison(("keras",))
    alone.apply(evaluation("keras", 10, ()))
    assert alone.apply(checkpoint(tmp_path, "keras", 10, weights)) is None
    comparison = TwinComparison(("pytorch", "keras"))
    for engine in ("pytorch", "keras"):
        assert comparison.apply(checkpoint(tmp_path, engine, 5, weights)) is None, "in the middle of an epoch"
    for engine in ("pytorch", "keras"):
        comparison.apply(evaluation(engine, 10, ()))
        event = checkpoint(tmp_path, engine, 20, weights)
        assert comparison.apply(replace(event, global_step=10)) is None, "a later epoch has replaced the file"
        assert comparison.apply(replace(event, global_step=10, path=str(tmp_path / "none"))) is None
    for step in (30, 40):
        comparison.apply(evaluation("pytorch", step, ()))
        comparison.apply(checkpoint(tmp_path, "pytorch", step, weights))
    comparison.apply(evaluation("keras", 30, ()))
    assert comparison.apply(checkpoint(tmp_path, "keras", 30, weights)) is None, "only so many may wait"
