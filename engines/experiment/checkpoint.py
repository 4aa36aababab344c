"""A run as it stands, on disk: weights, optimizer, random numbers and position, so that it can go on as if nothing had happened.

One .npz for each engine, without pickle, written whole or not at all.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.arrays import Arrays, load_arrays, save_arrays
from engines.experiment.contract import Engine
from engines.experiment.progress import Position
from engines.experiment.recipe import Weights
from engines.messages.codec import from_plain
from engines.plural import plural

SCHEMA = 2
"""Grows when an older checkpoint would be misread: PyTorch's slots of dense1 were in (channel, height, width) order before 2."""

MUST_MATCH_ON_RESUME = (
    "batch_size", "optimizer", "learning_rate", "schedule", "rho", "epsilon", "momentum", "weight_decay", "dropout", "augment",
    "seed",
)  # fmt: skip
"""The settings that must be the same before and after; the epochs, for one, may grow."""


class CheckpointError(Exception):
    """A checkpoint that can't be resumed from; the message says why."""


def save(path: Path, position: Position, config: TrainConfig, digits: Digits, engine: Engine) -> None:
    """Write everything down. Raises OSError."""
    facts = {
        "schema": SCHEMA,
        "position": dataclasses.asdict(position),
        "digits_sha256": digits.sha256,
        "train_size": len(digits.train_labels),
        **{name: getattr(config, name) for name in MUST_MATCH_ON_RESUME},
    }
    weights = {f"weights.{name}": value for name, value in engine.weights().items()}
    state = {f"state.{name}": value for name, value in engine.state().items()}
    save_arrays({"facts": np.array(json.dumps(facts)), **weights, **state}, path)


def load(path: Path, config: TrainConfig, digits: Digits) -> tuple[Position, Weights, Arrays]:
    """The position, the weights and the engine's state. Raises CheckpointError when the run can't go on from there."""
    arrays, facts, position = _read(path)
    now = {"train_size": len(digits.train_labels), "digits_sha256": digits.sha256}
    now |= {name: getattr(config, name) for name in MUST_MATCH_ON_RESUME}
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
    return position, weights, TrainConfig(**{name: facts[name] for name in MUST_MATCH_ON_RESUME if name in facts})


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


def read_filters(path: Path) -> tuple[Any, int]:
    """The first layer's kernels (3, 3, 1, n) in a checkpoint, and after how many steps. Raises OSError, and ValueError when
    it is none."""
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:  # reads no more than these two
            steps = int(json.loads(str(archive["facts"]))["position"]["global_step"])
            kernel = np.asarray(archive["weights.conv1.kernel"], np.float32)
    except OSError:
        raise
    except Exception as error:  # zipfile's and zlib's own errors say that it is damaged, in many ways
        raise ValueError("it is damaged, or no checkpoint of mnist-tui") from error
    if kernel.shape[:3] != (3, 3, 1) or kernel.ndim != 4 or not kernel.size or not np.isfinite(kernel).all():
        raise ValueError("its first layer is another one, or holds what is no number")
    return kernel, steps
