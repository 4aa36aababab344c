"""Write the stand-alone script of a framework for any settings, from the one that ships: `engines/*/script.py`.

The reference's script is that file itself. Other settings replace its hyperparameters, and change or add the few lines that they
need. What a script can't do, or does otherwise than the app, is a comment above the hyperparameters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from engines.config import ConfigError, TrainConfig, is_used
from engines.data.sources import DatasetCopy, find_digits
from engines.experiment import checkpoint
from engines.preset_configs import for_engine, from_settings, preset_label
from engines.tools.keras_script import edit_keras
from engines.tools.pytorch_script import edit_pytorch
from engines.tools.script_draft import ORDER_SETTINGS, Draft, Start
from engines.tools.source import script_file

MNIST_SIZES = (60_000, 10_000)
"""The numbers of training and test digits."""
REFERENCE = TrainConfig()


def read_start(path: Path) -> Start:
    """Read where a script starts that loads the weights of this checkpoint, and its run's settings. Raises CheckpointError."""
    position, settings, train_size = checkpoint.read_settings(path)
    try:
        config = from_settings({**settings, "limit_train": train_size if train_size < MNIST_SIZES[0] else 0})
    except ConfigError as error:
        raise checkpoint.CheckpointError(f"the checkpoint {path} can't be used: {error}") from error
    return Start(str(path), position.epoch, position.step, position.global_step, config)


def render_script(engine: str, config: TrainConfig, start: Start | None = None) -> str:
    """Write the script of "pytorch" or "keras" for these settings, from the weights of a checkpoint if given. Raises OSError."""
    own = for_engine(config, engine)
    draft = Draft(script_file(engine).read_text(encoding="utf-8"))
    draft.hyperparameters = _hyperparameters(own)
    digits = _copy_in(own.data_dir)
    if digits is not None:
        draft.hyperparameters["DATA_DIR"] = _literal(str(digits.path))
    if start is not None:
        draft.hyperparameters |= {"WEIGHTS": _literal(start.path), "FIRST_EPOCH": str(start.epoch)}
    edit = edit_pytorch if engine == "pytorch" else edit_keras
    draft.remarks = [*_remarks(config, own, start)]
    edit(draft, own, digits, start)
    return draft.text


def _hyperparameters(config: TrainConfig) -> dict[str, str]:
    """Return the constants that both scripts have."""
    names = ["seed", "epochs", "batch_size", "learning_rate", "rho", "momentum", "epsilon", "weight_decay", "dropout"]
    values = {name: getattr(config, name) for name in names if is_used(name, config.optimizer)}
    if config.limit_train or config.limit_test or config.data_dir:
        values["train_size"], values["test_size"] = (
            limit or size for limit, size in zip((config.limit_train, config.limit_test), MNIST_SIZES, strict=True)
        )
    if config.validation:
        values["validation"] = config.validation
    if config.threads:
        values["threads"] = config.threads
    if config.target_accuracy:
        values["target_accuracy"] = round(config.target_accuracy / 100, 8)
    if config.patience:
        values["patience"] = config.patience
    return {name.upper(): f"{value:_}" if isinstance(value, int) else repr(value) for name, value in values.items()}


def _literal(path: str) -> str:
    """Return a path as Python writes it, in ASCII, which every stream can print: JSON has another form of an emoji."""
    return json.dumps(path) if path.isascii() else ascii(path)


def _copy_in(data_dir: str) -> DatasetCopy | None:
    """Return the copy of MNIST in a folder; a folder without one gets its files later, or elsewhere. None without a folder."""
    if not data_dir:
        return None
    copies = find_digits(Path(data_dir), Path(data_dir))
    return next((copy for copy in copies if copy.user_specified), DatasetCopy("idx", Path(data_dir), "--data-dir"))


def _remarks(config: TrainConfig, own: TrainConfig, start: Start | None) -> Iterator[str]:
    """Yield what both scripts say of settings that are not as in the reference, and of what they can't do."""
    label = preset_label(config)
    if label != preset_label(REFERENCE):
        yield f"Settings of mnist-tui: {label}."
    if own.seeds > 1:
        yield f"For {own.seeds} seeds, run it with SEED = {own.seed} to {own.seed + own.seeds - 1}."
    if own.dataset == "drawn":
        yield "The digits that mnist-tui draws are not in here: this trains on MNIST."
    if own.mode != REFERENCE.mode:
        yield "A time trial is not in here: a script trains alone, with all cores."
    if own.eval_every:
        yield "Evaluations inside an epoch are not in here."
    if own.validation:
        yield "The held-out digits only stay away from the training: the test digits judge each epoch."
    if "," in own.device or own.device == "all":
        yield "Several devices are not in here: this trains on the first."
    if own.precision == "tf32":
        yield "TF32 is for NVIDIA GPUs; a CPU computes in fp32."
    if start is not None:
        yield from _start_remarks(own, start)


def _start_remarks(own: TrainConfig, start: Start) -> Iterator[str]:
    """Yield in what the training differs from that of the checkpoint's run."""
    before = {name: getattr(start.config, name) for name in ORDER_SETTINGS}
    if before != {name: getattr(own, name) for name in ORDER_SETTINGS}:
        values = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in before.items())
        yield f"The order of the digits is not that of the checkpoint's run, which had {values}."
    if start.step:
        yield f"The checkpoint is from the middle of epoch {start.epoch}, which starts again here."
    if start.global_step:
        yield "The optimizer starts again: its averages in the checkpoint are not read."
    if start.global_step and own.schedule != "constant":
        yield "The schedule starts again: it spans the epochs that are trained here."
