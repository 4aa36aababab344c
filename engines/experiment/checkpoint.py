"""Save and load checkpoints: weights, optimizer and random state, and position, so that a run resumes exactly where it was.

One .npz for each engine, without pickle, written atomically. Beside it, another one holds the weights of the best evaluation.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from engines.config import MUST_MATCH_ON_RESUME, TrainConfig
from engines.data import Digits
from engines.errors import reason
from engines.experiment.arrays import Arrays, load_arrays, save_arrays
from engines.experiment.contract import Engine
from engines.experiment.progress import Position
from engines.experiment.recipe import Weights, initial_weights
from engines.messages.codec import from_plain
from engines.plural import plural
from engines.record import Record

SCHEMA = 2
"""Increased when older checkpoints would be misread; `_read` converts them. tests/data/runs has a checkpoint of each version."""


class CheckpointError(Exception):
    """A checkpoint can't be used; the message says why."""


class Best(Record):
    """The network as it was in its best evaluation."""

    position: Position
    weights: Weights


FIRST_FILTERS = "first_epoch.conv1.kernel"
"""The name of the first layer's kernels as they were after the first epoch; absent before its end, and in older checkpoints."""


def save(
    path: Path,
    position: Position,
    config: TrainConfig,
    digits: Digits,
    engine: Engine,
    first_filters: Arrays | None = None,
) -> None:
    """Write a checkpoint; `first_filters` holds FIRST_FILTERS once the first epoch is over. Raises OSError."""
    state = {f"state.{name}": value for name, value in engine.state().items()}
    save_arrays({**_model(position, config, digits, engine.weights()), **state, **(first_filters or {})}, path)


def _model(position: Position, config: TrainConfig, digits: Digits, weights: Weights) -> Arrays:
    """Return the arrays that make a file a model: its metadata and its weights."""
    metadata = {
        "schema": SCHEMA,
        "position": dataclasses.asdict(position),
        "digits_sha256": digits.sha256,
        "train_size": len(digits.train_labels),
        **{name: getattr(config, name) for name in MUST_MATCH_ON_RESUME},
    }
    return {"facts": np.array(json.dumps(metadata)), **{f"weights.{name}": value for name, value in weights.items()}}


def best_path(path: Path) -> Path:
    """Return the path of the best evaluation's weights beside a checkpoint: "pytorch.best.npz"."""
    return path.with_suffix(".best.npz")


def save_best(path: Path, best: Best, config: TrainConfig, digits: Digits) -> None:
    """Write the weights of the best evaluation beside the checkpoint `path`, as `load_model` reads them. Raises OSError."""
    save_arrays(_model(best.position, config, digits, best.weights), best_path(path))


def load_best(path: Path, position: Position) -> Best | None:
    """Read the weights of the best evaluation before `position` beside a checkpoint; None where they can't be read."""
    try:
        best, weights, _ = load_model(best_path(path))
    except CheckpointError:  # a checkpoint of an earlier version has none beside it
        return None
    return Best(position=best, weights=weights) if best.best_accuracy == position.best_accuracy else None


def load(path: Path, config: TrainConfig, digits: Digits) -> tuple[Position, Weights, Arrays]:
    """Read the position, weights and engine state from which a run resumes. Raises CheckpointError."""
    arrays, metadata, position = _read(path)
    current = {"train_size": len(digits.train_labels), "digits_sha256": digits.sha256}
    current |= {name: getattr(config, name) for name in MUST_MATCH_ON_RESUME}
    for name, value in current.items():
        if (
            metadata.get(name, {"schedule": value, "validation": 0}.get(name)) != value
        ):  # older checkpoints lack these two
            change = "the digits differ" if name == "digits_sha256" else f"{name} was {metadata.get(name)}, now {value}"
            raise CheckpointError(f"The run can't be resumed from its checkpoint: {change}.")
    if position.epoch > config.epochs:
        epochs = plural(config.epochs, "epoch")
        raise CheckpointError(f"The run has completed its {epochs}; resume it with more --epochs.")
    return position, _with_prefix(arrays, "weights."), _with_prefix(arrays, "state.")


def load_model(path: Path) -> tuple[Position, Weights, TrainConfig]:
    """Read the position, weights and settings of a model, for predictions. Raises CheckpointError.

    Weights in float16, which are those beside the demo, are read as float32.
    """
    arrays, metadata, position = _read(path, ("facts", "weights."))
    config = TrainConfig(**_settings(metadata))
    weights = _with_prefix(arrays, "weights.")
    halves = {name: value.astype(np.float32) for name, value in weights.items() if value.dtype == np.float16}
    return position, {**weights, **halves}, config


def read_weights(path: Path) -> tuple[int, Weights]:
    """Read the number of steps done, and the weights. Raises CheckpointError."""
    position, weights, _ = load_model(path)
    return position.global_step, weights


def read_position(path: Path) -> Position:
    """Read how far the run was. Raises CheckpointError."""
    return _read(path)[2]


def read_settings(path: Path) -> tuple[Position, dict[str, Any], int]:
    """Read how far the run was, those of its settings that must match, and the number of its training digits, with held-out ones.

    Raises CheckpointError.
    """
    _, metadata, position = _read(path, ("facts",))
    train_size = metadata.get("train_size")
    if type(train_size) is not int:
        raise CheckpointError(f"the checkpoint {path} can't be read: its train_size is no number.")
    return position, _settings(metadata), train_size


def _settings(metadata: dict[str, Any]) -> dict[str, Any]:
    return {name: metadata[name] for name in MUST_MATCH_ON_RESUME if name in metadata}


def _with_prefix(arrays: Arrays, prefix: str) -> Arrays:
    """Select the arrays whose names start with the prefix, and remove it."""
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _read(path: Path, prefixes: tuple[str, ...] = ("",)) -> tuple[Arrays, dict[str, Any], Position]:
    """Read the arrays with these prefixes, the metadata and the position. Raises CheckpointError."""
    try:
        arrays = load_arrays(path, prefixes)
        metadata = json.loads(str(arrays["facts"]))
        if metadata["schema"] == 1:
            arrays = _from_schema_1(arrays)
        elif metadata["schema"] != SCHEMA:
            raise CheckpointError(f"the checkpoint {path} can't be read: another version of mnist-tui wrote it.")
        position = {**metadata["position"]}
        position.setdefault("evaluations_since_best", position.get("without_better", 0))  # its former name
        return arrays, metadata, from_plain(Position, position)
    except OSError as error:
        raise CheckpointError(f"the checkpoint {path} can't be read: {reason(error)}.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:  # numpy's own text advises to allow pickle
        raise CheckpointError(f"{path} is not a checkpoint of mnist-tui, or is damaged.") from error


def _from_schema_1(arrays: Arrays) -> Arrays:
    """Reorder PyTorch's slots of dense1, shape (128, 9216), from (channel, height, width) to (height, width, channel)."""
    return {
        name: value.reshape(128, 64, 12, 12).transpose(0, 2, 3, 1).reshape(128, -1)
        if value.shape == (128, 9216)
        else value
        for name, value in arrays.items()
    }


def read_first_filters(path: Path) -> Arrays:
    """Read FIRST_FILTERS from a checkpoint; empty where it has none. Raises CheckpointError."""
    return {name: value for name, value in _read(path)[0].items() if name == FIRST_FILTERS}


class Filters(Record):
    """The first layer's kernels, shape (3, 3, 1, n), and what they were before."""

    kernel: Any
    global_step: int
    earlier: Any = None
    """The kernels after the first epoch; before the first step while that epoch lasts, and in older checkpoints; or None."""
    after_first_epoch: bool = False
    """True when `earlier` are the kernels after the first epoch."""


def read_filters(path: Path) -> Filters:
    """Read the first layer's kernels from a checkpoint. Raises OSError, and ValueError for any other file."""
    try:
        with np.load(path, allow_pickle=False) as archive:  # reads only these members
            metadata = json.loads(str(archive["facts"]))
            steps, epoch = int(metadata["position"]["global_step"]), int(metadata["position"].get("epoch", 1))
            kernel = np.asarray(archive["weights.conv1.kernel"], np.float32)
            has_first = FIRST_FILTERS in archive.files and epoch > 2  # after one epoch they are the kernels themselves
            earlier = np.asarray(archive[FIRST_FILTERS], np.float32) if has_first else None
        if earlier is None and isinstance(metadata.get("seed"), int):
            earlier = initial_weights(metadata["seed"])["conv1.kernel"]
    except OSError:
        raise
    except Exception as error:  # zipfile and zlib raise many types for a damaged file
        raise ValueError("it is damaged, or no checkpoint of mnist-tui") from error
    if kernel.shape[:3] != (3, 3, 1) or kernel.ndim != 4 or not kernel.size or not np.isfinite(kernel).all():
        raise ValueError("its first layer has a different shape or values that are not finite")
    if earlier is not None and (earlier.shape != kernel.shape or not np.isfinite(earlier).all()):
        earlier = None
    return Filters(kernel=kernel, global_step=steps, earlier=earlier, after_first_epoch=has_first)
