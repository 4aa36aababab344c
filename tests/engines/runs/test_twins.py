"""The distance of two networks: of their weights and of their answers, as checkpoints and evaluations arrive."""

from __future__ import annotations

import gc
import tempfile
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest

from engines.experiment.arrays import save_arrays
from engines.experiment.recipe import KERNELS, Weights, initial_weights
from engines.messages.events import CheckpointSaved, EvalCompleted, Event, RunFailed, RunFinished, TwinsCompared
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


def train_epochs(comparison: TwinComparison, folder: Path, engine: str, epochs: range) -> list[TwinsCompared]:
    """Evaluate and save an engine after each of these epochs; return the comparisons."""
    weights, compared = initial_weights(0), []
    for epoch in epochs:
        comparison.apply(evaluation(engine, 10 * epoch, ()))
        compared.append(comparison.apply(checkpoint(folder, engine, 10 * epoch, weights)))
    return [event for event in compared if event is not None]


def test_evaluations_without_a_checkpoint_are_not_kept() -> None:
    """With --eval-every 1 a run has thousands of them, each with its mistakes."""
    comparison = TwinComparison(("pytorch", "keras"))
    for step in range(1, 201):
        for engine in ("pytorch", "keras"):
            comparison.apply(replace(evaluation(engine, step, ()), split="marked"))
    kept = [one for one in gc.get_objects() if isinstance(one, EvalCompleted) and one.split == "marked"]
    assert len(kept) <= 2, "the newest of each engine, whose checkpoint may follow"


def test_weights_that_wait_take_no_memory(tmp_path: Path) -> None:
    """In a time trial, all epochs of the first engine wait for the second; the app has 90 MB for everything."""
    comparison, folder = TwinComparison(("pytorch", "keras")), tmp_path / "run"
    folder.mkdir()
    train_epochs(comparison, folder, "pytorch", range(1, 2))  # imports what it needs
    tracemalloc.start()
    train_epochs(comparison, folder, "pytorch", range(2, 7))
    gc.collect()
    memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert memory < 2e6
    assert list(folder.iterdir()) == [folder / "pytorch.npz"], "no file is left by an app that is killed"
    assert [one.epoch for one in train_epochs(comparison, folder, "keras", range(1, 7))] == list(range(1, 7))


@pytest.mark.parametrize("how", ["failed", "finished", "passed", "compared", "never started"])
def test_weights_that_can_no_longer_be_matched_do_not_wait(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their files are closed, which frees the space on the disk."""
    files: list[IO[bytes]] = []
    create = tempfile.TemporaryFile

    def create_and_keep(**options: Any) -> IO[bytes]:
        files.append(create(**options))
        return files[-1]

    def waiting() -> int:
        return sum(not file.closed for file in files)

    monkeypatch.setattr(tempfile, "TemporaryFile", create_and_keep)
    comparison = TwinComparison(("pytorch", "keras"))
    train_epochs(comparison, tmp_path, "pytorch", range(1, 4))
    assert waiting() == 3
    failed = RunFailed(engine="keras", run_id="", kind="crashed", message="")
    finished = RunFinished(
        engine="keras", run_id="run", outcome="stopped", test_accuracy=None, test_loss=None, best_epoch=None,
        train_seconds=1.0, wall_seconds=1.0,
    )  # fmt: skip
    compared = TwinsCompared(engine="keras", run_id="run", epoch=3, global_step=30, layers=(), answers=0, test_size=100)
    comparison.apply(failed)
    assert waiting() == 3, "a worker failed outside of its run"
    ends: dict[str, Event] = {"failed": replace(failed, run_id="run"), "finished": finished, "compared": compared}
    if how in ends:
        comparison.apply(ends[how])
    elif how == "passed":
        assert len(train_epochs(comparison, tmp_path, "keras", range(3, 4))) == 1
    else:
        comparison.drop_engine("keras")
    assert waiting() == 0
    train_epochs(comparison, tmp_path, "pytorch", range(4, 5))
    assert waiting() == (how in ("passed", "compared")), "keras may still reach epoch 4"
    comparison.drop_engine("keras")
