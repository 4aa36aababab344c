"""A run as it stands, on disk: weights, optimizer, random numbers and position, so that it can go on as if nothing had happened.

One .npz for each engine, without pickle, written whole or not at all.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.arrays import Arrays, load_arrays, save_arrays
from engines.experiment.recipe import Weights
from engines.messages.codec import from_plain
from engines.plural import plural

SCHEMA = 2
"""Grows when an older checkpoint would be misread: PyTorch's slots of dense1 were in (channel, height, width) order before 2."""

DECISIVE = (
    "batch_size", "optimizer", "learning_rate", "schedule", "rho", "epsilon", "momentum", "weight_decay", "dropout", "augment",
    "seed",
)  # fmt: skip
"""The settings that must be the same before and after; the epochs, for one, may grow."""


class CheckpointError(Exception):
    """A checkpoint that can't be resumed from; the message says why."""


@dataclass(slots=True)
class Position:
    """How far a run is: the epoch under way and what it has summed up so far."""

    epoch: int = 1
    step: int = 0
    """Steps done in this epoch."""
    global_step: int = 0
    loss_sum: float = 0.0
    correct: float = 0.0
    epoch_seconds: float = 0.0
    """Training seconds in this epoch."""
    timed_samples: int = 0
    """The samples that were trained in them."""
    train_seconds: float = 0.0
    """Training seconds in all."""
    evaluated_step: int = 0
    """The global step of the last evaluation."""
    test_accuracy: float | None = None
    """At the last evaluation, as the next."""
    test_loss: float | None = None
    best_accuracy: float = -1.0
    best_epoch: int = 0
    without_better: int = 0
    """Evaluations since the best one."""

    def took(self, step: int, loss_sum: float, correct: float, seconds: float = 0.0, timed_samples: int = 0) -> None:
        """Training went on to that step; a step that is not timed gives no seconds."""
        self.global_step += step - self.step
        self.step = step
        self.loss_sum += loss_sum
        self.correct += correct
        self.epoch_seconds += seconds
        self.train_seconds += seconds
        self.timed_samples += timed_samples

    def next_epoch(self) -> None:
        """The epoch is over."""
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum = self.correct = self.epoch_seconds = 0.0
        self.timed_samples = 0

    def judge(self, accuracy: float, loss: float) -> bool:
        """Take an evaluation into account; whether it is the best so far."""
        self.evaluated_step, self.test_accuracy, self.test_loss = self.global_step, accuracy, loss
        if accuracy > self.best_accuracy:
            self.best_accuracy, self.best_epoch, self.without_better = accuracy, self.epoch, 0
            return True
        self.without_better += 1
        return False


def save(path: Path, position: Position, config: TrainConfig, digits: Digits, engine: Any) -> None:
    """Write everything down. Raises OSError."""
    facts = {
        "schema": SCHEMA,
        "position": dataclasses.asdict(position),
        "digits_sha256": digits.sha256,
        "train_size": len(digits.train_labels),
        **{name: getattr(config, name) for name in DECISIVE},
    }
    weights = {f"weights.{name}": value for name, value in engine.weights().items()}
    state = {f"state.{name}": value for name, value in engine.state().items()}
    save_arrays({"facts": np.array(json.dumps(facts)), **weights, **state}, path)


def load(path: Path, config: TrainConfig, digits: Digits) -> tuple[Position, Weights, Arrays]:
    """The position, the weights and the engine's state. Raises CheckpointError when the run can't go on from there."""
    arrays, facts, position = _read(path)
    now = {"train_size": len(digits.train_labels), "digits_sha256": digits.sha256}
    now |= {name: getattr(config, name) for name in DECISIVE}
    for name, value in now.items():
        if facts.get(name, value if name == "schedule" else None) != value:  # an older checkpoint does not name it
            what = (
                "the digits are others"
                if name == "digits_sha256"
                else f"{name} is {value} now and was {facts.get(name)}"
            )
            raise CheckpointError(f"The run can't go on from its checkpoint: {what}.")
    if position.epoch > config.epochs:
        raise CheckpointError(f"The run has done its {plural(config.epochs, 'epoch')}; resume it with more --epochs.")
    weights = {name.removeprefix("weights."): arrays[name] for name in arrays if name.startswith("weights.")}
    state = {name.removeprefix("state."): arrays[name] for name in arrays if name.startswith("state.")}
    return position, weights, state


def load_model(path: Path) -> tuple[Position, Weights, TrainConfig]:
    """What is needed to answer with the model: its position, weights and settings. Raises CheckpointError."""
    arrays, facts, position = _read(path)
    weights = {name.removeprefix("weights."): arrays[name] for name in arrays if name.startswith("weights.")}
    return position, weights, TrainConfig(**{name: facts[name] for name in DECISIVE if name in facts})


def read_position(path: Path) -> Position:
    """How far the run was. Raises CheckpointError."""
    return _read(path)[2]


def _read(path: Path) -> tuple[Arrays, dict[str, Any], Position]:
    try:
        arrays = load_arrays(path)
        facts = json.loads(str(arrays["facts"]))
        if facts["schema"] != SCHEMA:
            raise ValueError("another version of mnist-tui wrote it")
        return arrays, facts, from_plain(Position, {**facts["position"]})
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"the checkpoint {path} can't be read: {error}.") from error
