"""The guards of a resume: a checkpoint continues only the experiment that wrote it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.config import TrainConfig
from engines.experiment.arrays import load_arrays, save_arrays
from engines.experiment.checkpoint import SCHEMA, CheckpointError, load
from tests.support.planned_run import Plan, blank_digits, train

CONFIG = TrainConfig(epochs=2, batch_size=10, optimizer="adamw", schedule="cosine", learning_rate=0.01, device="cpu")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the checkpoint of a run that has completed its two epochs of four steps."""
    folder = tmp_path_factory.mktemp("checkpoint")
    train(Plan(), CONFIG, folder)
    return folder / "pytorch.npz"


MORE = replace(CONFIG, epochs=3)


def test_more_epochs_continue_where_the_run_was(checkpoint: Path) -> None:
    position, weights, state = load(checkpoint, MORE, blank_digits())
    assert (position.epoch, position.step, position.global_step, position.train_seconds) == (3, 0, 8, 7.0)
    assert (position.best_accuracy, position.best_epoch, position.evaluations_since_best) == (1.0, 1, 1)
    assert (int(weights["steps"]), int(state["steps"])) == (8, 8)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", 1), ("batch_size", 20), ("optimizer", "sgd"), ("learning_rate", 0.02), ("schedule", "constant"), ("rho", 0.9),
        ("momentum", 0.5), ("weight_decay", 0.1), ("epsilon", 1e-8), ("dropout", 0.1), ("augment", "affine"), ("validation", 4),
    ],
)  # fmt: skip
def test_a_setting_that_decides_the_training_must_be_the_same(checkpoint: Path, name: str, value: Any) -> None:
    before = getattr(CONFIG, name)
    with pytest.raises(CheckpointError) as error:
        load(checkpoint, replace(MORE, **{name: value}), blank_digits())
    assert str(error.value) == f"The run can't be resumed from its checkpoint: {name} was {before}, now {value}."


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "time-trial"}, {"precision": "bf16"}, {"threads": 3}, {"target_accuracy": 99.0}, {"patience": 2},
        {"eval_every": 2}, {"stop_on_nan": False}, {"data_dir": "/elsewhere"}, {"device": "cuda:0"},
    ],
)  # fmt: skip
def test_a_setting_of_the_machine_or_of_the_end_may_change(checkpoint: Path, changes: dict[str, Any]) -> None:
    assert load(checkpoint, replace(MORE, **changes), blank_digits())[0].global_step == 8


def test_other_digits_are_refused(checkpoint: Path) -> None:
    """Equally many of another grey, the same with another test label, and fewer of the same."""
    for digits, why in (
        (blank_digits(grey=1), "the digits differ"),
        (blank_digits(labels=(1, *range(1, 10))), "the digits differ"),
        (blank_digits(train_size=39), "train_size was 40, now 39"),
    ):
        with pytest.raises(CheckpointError, match=why):
            load(checkpoint, MORE, digits)


def test_a_completed_run_needs_more_epochs(checkpoint: Path) -> None:
    with pytest.raises(CheckpointError, match="has completed its 2 epochs; resume it with more --epochs"):
        load(checkpoint, CONFIG, blank_digits())


def changed(checkpoint: Path, path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Write the checkpoint with other metadata."""
    arrays = load_arrays(checkpoint)
    metadata = json.loads(str(arrays["facts"]))
    change(metadata)
    save_arrays({**arrays, "facts": np.array(json.dumps(metadata))}, path)
    return path


@pytest.mark.parametrize("schema", [0, SCHEMA + 1, None])
def test_a_checkpoint_of_an_unknown_schema_is_refused(checkpoint: Path, schema: int | None, tmp_path: Path) -> None:
    """Read as if it were of this one, its slots might be in another order: the optimizer would be misled without a word."""
    path = changed(checkpoint, tmp_path / "other.npz", lambda metadata: metadata.update(schema=schema))
    with pytest.raises(CheckpointError, match="another version of mnist-tui wrote it"):
        load(path, MORE, blank_digits())


def test_a_checkpoint_that_is_older_than_a_setting_is_read_where_its_value_is_known(
    checkpoint: Path, tmp_path: Path
) -> None:
    """Without a schedule, its rates are those of the run that is resumed; without held-out digits, it held out none."""
    older = changed(
        checkpoint, tmp_path / "older.npz", lambda metadata: (metadata.pop("schedule"), metadata.pop("validation"))
    )
    assert load(older, MORE, blank_digits())[0].global_step == 8
    with pytest.raises(CheckpointError, match="validation was None, now 4"):
        load(older, replace(MORE, validation=4), blank_digits())
    without = changed(checkpoint, tmp_path / "without.npz", lambda metadata: metadata.pop("dropout"))
    with pytest.raises(CheckpointError, match="dropout was None, now"):
        load(without, MORE, blank_digits())
