"""Test held-out digits: which they are, what they judge, and the one evaluation of the test digits at the end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engines.config import TrainConfig
from engines.data import DataError, Digits, load_digits
from engines.experiment.checkpoint import best_path, load_model
from engines.messages.commands import Stop
from engines.messages.events import DataReady, EpochStarted, EvalCompleted, RunFailed, RunFinished, TrainProgress
from engines.messages.grammar import violations
from engines.preset_configs import from_settings
from tests.support.engines import Worked

Work = Callable[[str], Worked]


def digits_of(count: int) -> Digits:
    """Return training digits that can be told apart, and three test digits."""
    images = np.arange(count, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    labels = np.arange(count, dtype=np.uint8) % 10
    return Digits(images, labels, images[:3] + 200, labels[:3], dataset="custom", source="")


def config_of(small_mnist: Path, **settings: object) -> TrainConfig:
    """Make a config of ten epochs in which 100 of 640 digits are held out."""
    return from_settings({"epochs": 10, "batch_size": 64, "validation": 100, "data_dir": str(small_mnist), **settings})


def splits(worker: Worked) -> list[tuple[str, int]]:
    """Return the digits and the step of every evaluation."""
    return [(event.split, event.global_step) for event in worker.of(EvalCompleted)]


def test_held_out_digits_are_the_end_of_a_permutation_and_never_trained() -> None:
    digits = digits_of(50)
    held = digits.hold_out(8, seed=4)
    expected = np.random.default_rng([4, 2]).permutation(50)[-8:]
    assert held.held_out == 8
    assert held.test_images[:8, 0, 0].tolist() == expected.tolist()
    assert held.test_labels[:8].tolist() == (expected % 10).tolist()
    assert held.test_images[8:].tolist() == digits.test_images.tolist()
    assert held.train_images[:, 0, 0].tolist() == sorted(set(range(50)) - set(expected.tolist()))
    assert held.train_labels.tolist() == (held.train_images[:, 0, 0] % 10).tolist()
    assert held.test_size == digits.test_size == 3


def test_the_hash_of_held_out_digits_depends_on_the_seed() -> None:
    digits = digits_of(50)
    hashes = [digits.hold_out(count, seed).validation_sha256 for count, seed in ((8, 4), (8, 5), (9, 4))]
    assert len(set(hashes)) == 3
    assert digits.hold_out(8, 4).validation_sha256 == hashes[0]
    assert digits.hold_out(0, 4) is digits
    assert digits.validation_sha256 == ""


@pytest.mark.parametrize("count", [50, 51, 59_999])
def test_some_digits_must_be_left_to_train_on(count: int) -> None:
    with pytest.raises(DataError, match="none would be left"):
        digits_of(50).hold_out(count, seed=0)


def test_too_many_held_out_digits_fail_with_a_hint(work: Work, small_mnist: Path) -> None:
    worker = work("scripted")
    worker.start(config_of(small_mnist, validation=640))
    failed = worker.wait_for(RunFailed)
    assert (failed.kind, failed.hint) == ("data", "Choose a smaller --validation.")


def test_the_test_digits_are_evaluated_once_at_the_end(work: Work, small_mnist: Path) -> None:
    worker = work("scripted")
    worker.start(config_of(small_mnist, epochs=3, eval_every=5))
    finished = worker.wait_for(RunFinished)
    worker.finish()
    at = [5, 9, 10, 15, 18, 20, 25, 27]
    assert splits(worker) == [*(("validation", step) for step in at), ("test", 27)]
    *_, test = worker.of(EvalCompleted)
    assert (finished.test_accuracy, finished.test_loss) == (test.accuracy, test.loss)
    assert sum(test.confusion) == 200
    assert not any(event.confusion or event.mistakes for event in worker.of(EvalCompleted)[:-1])
    assert violations(worker.events) == []


def test_a_target_is_judged_on_held_out_digits(work: Work, small_mnist: Path) -> None:
    worker = work("scripted")
    worker.start(config_of(small_mnist, epochs=100, eval_every=4, target_accuracy=40.0))
    finished = worker.wait_for(RunFinished)
    worker.finish()
    *before, last, test = worker.of(EvalCompleted)
    assert finished.outcome == "target-reached"
    assert all(event.accuracy < 0.4 for event in before)
    assert (last.split, test.split, test.global_step) == ("validation", "test", last.global_step)
    assert last.accuracy >= 0.4
    assert violations(worker.events) == []


def test_patience_is_judged_on_held_out_digits(work: Work, small_mnist: Path) -> None:
    worker = work("scripted")
    worker.start(config_of(small_mnist, learning_rate=0.0, patience=2))
    finished = worker.wait_for(RunFinished)
    worker.finish()
    assert (finished.outcome, finished.best_epoch) == ("no-progress", 1)
    assert splits(worker) == [("validation", 9), ("validation", 18), ("validation", 27), ("test", 27)]
    assert violations(worker.events) == []


@pytest.mark.parametrize("until", [TrainProgress, EpochStarted])
def test_a_stopped_run_is_tested_once(
    until: type, work: Work, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop in an epoch, and one at its start, when the last evaluation of held-out digits is an epoch old."""
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    worker = work("scripted")
    worker.start(config_of(small_mnist, epochs=500))
    worker.wait_for(until, until=lambda event: event.epoch == 2)
    worker.supervisor.send(Stop())
    assert worker.wait_for(RunFinished).outcome == "stopped"
    worker.finish()
    assert [split for split, _ in splits(worker)].count("test") == 1
    assert splits(worker)[-1][0] == "test"
    assert splits(worker)[-1][1] == splits(worker)[-2][1] == worker.of(TrainProgress)[-1].global_step
    assert violations(worker.events) == []


def test_a_resumed_run_holds_out_the_same_digits_and_keeps_the_best_weights(
    work: Work, small_mnist: Path, tmp_path: Path
) -> None:
    """The best weights come from the first run's folder, because the one epoch after it is no better."""
    worker = work("scripted")
    first, resumed = (tmp_path / name / "pytorch.npz" for name in ("first", "resumed"))
    worker.start(config_of(small_mnist), "first", str(first.parent))
    worker.wait_for(RunFinished)
    worker.start(config_of(small_mnist, epochs=11), "resumed", str(resumed.parent), str(first))
    finished = worker.wait_for((RunFinished, RunFailed))
    worker.finish()
    assert isinstance(finished, RunFinished)
    a, b = worker.of(DataReady)
    assert a.validation_sha256 == b.validation_sha256 != ""
    assert (b.sha256, b.train_size, b.test_size, b.validation_size) == (a.sha256, 540, 200, 100)
    best, weights, _ = load_model(best_path(resumed))
    assert best.epoch == best.best_epoch == finished.best_epoch
    judged = [event for event in worker.of(EvalCompleted) if event.split == "validation"]
    assert best.best_accuracy == max(event.accuracy for event in judged)
    digits = load_digits("mnist", small_mnist, cache_dir=tmp_path).hold_out(100, 0)
    logits = digits.test_images[:100].reshape(100, -1) / 255 @ weights["kernel"]
    assert (logits.argmax(axis=1) == digits.test_labels[:100]).mean() == pytest.approx(best.best_accuracy)
    assert best.best_epoch < 10, "an earlier epoch was as good as the last one"
    assert not np.array_equal(weights["kernel"], load_model(resumed)[1]["kernel"])


@pytest.mark.parametrize("changed", [0, 99])
def test_a_run_is_not_resumed_with_other_held_out_digits(
    changed: int, work: Work, small_mnist: Path, tmp_path: Path
) -> None:
    worker = work("scripted")
    worker.start(config_of(small_mnist, epochs=1), "first", str(tmp_path / "first"))
    worker.wait_for(RunFinished)
    other = config_of(small_mnist, epochs=2, validation=changed)
    worker.start(other, "resumed", str(tmp_path / "resumed"), str(tmp_path / "first" / "pytorch.npz"))
    failed = worker.wait_for((RunFinished, RunFailed))
    worker.finish()
    assert f"validation was 100, now {changed}" in failed.message
