"""The presets, and the TrainConfig that a preset and the settings beside it make."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from engines.config import HYPERPARAMETERS, PRESETS, ConfigError, TrainConfig, is_used, problems

_PRESET_VALUES: dict[str, dict[str, Any]] = {
    "reference": {},
    "quick": {
        "epochs": 1,
        "limit_train": 24_000,
        "batch_size": 64,
        "optimizer": "adam",
        "learning_rate": 0.003,
        "schedule": "one-cycle",
        "dropout": 0.1,
    },
    "best": {
        "epochs": 20,
        "batch_size": 64,
        "optimizer": "adamw",
        "learning_rate": 0.001,
        "schedule": "cosine",
        "augment": "affine",
    },
    "library-defaults": {},
}

_LIBRARY_DEFAULTS: dict[str, dict[str, Any]] = {
    "pytorch": {"optimizer": "adadelta", "learning_rate": 1.0, "rho": 0.9, "epsilon": 1e-6},
    "keras": {"optimizer": "adadelta", "learning_rate": 0.001, "rho": 0.95, "epsilon": 1e-7},
}
"""torch.optim.Adadelta and keras.optimizers.Adadelta as documented (keras#13815: 84 % instead of 99 % accuracy)."""

_USUAL_LEARNING_RATES = {"adadelta": 1.0, "sgd": 0.05, "adam": 0.001, "adamw": 0.001}


def from_settings(settings: dict[str, Any]) -> TrainConfig:
    """Make the config of a preset and the settings beside it; a setting wins over its preset, and None counts as not set.

    An optimizer without a learning rate gets its usual one, unless it is the preset's own. Raises ConfigError.
    """
    custom = {key: value for key, value in settings.items() if value is not None}
    preset = custom.get("preset", "reference")
    if preset not in PRESETS:
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, not {preset!r}.")
    values = {**_PRESET_VALUES[preset], **custom}
    if "optimizer" in custom and custom["optimizer"] != _PRESET_VALUES[preset].get("optimizer"):
        usual = _USUAL_LEARNING_RATES.get(str(custom["optimizer"]), 1.0)
        values["learning_rate"] = custom.get("learning_rate", usual)
    try:
        config = TrainConfig(**values)
    except TypeError as error:
        raise ConfigError(f"unknown setting: {error}.") from error
    for name, reason in problems(config):
        raise ConfigError(f"{name} {reason}.")
    return config


@functools.lru_cache(1024)  # the header calls it in every frame
def preset_changes(config: TrainConfig) -> str:
    """Name the changes beside the preset: "optimizer sgd, dropout 0"; empty without any."""
    try:
        preset = from_settings({"preset": config.preset})
        defaults = from_settings({"preset": config.preset, "optimizer": config.optimizer})
    except ConfigError:  # a recording of another version
        return ""
    changes = []
    for name in HYPERPARAMETERS:
        value, default = getattr(config, name), getattr(preset if name == "optimizer" else defaults, name)
        if value != default and is_used(name, config.optimizer):
            text = f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
            changes.append(f"{name.replace('_', ' ')} {text}")
    return ", ".join(changes)


def preset_label(config: TrainConfig) -> str:
    """Name the preset and the changes beside it: "reference, changed: optimizer sgd, dropout 0"."""
    changes = preset_changes(config)
    return f"{config.preset}, changed: {changes}" if changes else config.preset


def for_engine(config: TrainConfig, engine: str) -> TrainConfig:
    """Return the config as that engine trains it: on its own device, and with its own values of the library-defaults preset."""
    config = dataclasses.replace(config, device=getattr(config, f"{engine}_device", "") or config.device)
    if config.preset != "library-defaults":
        return config
    return dataclasses.replace(config, **_LIBRARY_DEFAULTS.get(engine, {}))
