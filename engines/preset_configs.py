"""The presets, and the config that settings mean."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

from engines.config import _RULES, PRESETS, ConfigError, TrainConfig, problems

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

# torch.optim.Adadelta and keras.optimizers.Adadelta as their documentation states them (keras#13815: 84 % instead of 99 %).
_LIBRARY_DEFAULTS: dict[str, dict[str, Any]] = {
    "pytorch": {"optimizer": "adadelta", "learning_rate": 1.0, "rho": 0.9, "epsilon": 1e-6},
    "keras": {"optimizer": "adadelta", "learning_rate": 0.001, "rho": 0.95, "epsilon": 1e-7},
}

_USUAL_LEARNING_RATES = {"adadelta": 1.0, "sgd": 0.05, "adam": 0.001, "adamw": 0.001}


def from_settings(settings: dict[str, Any]) -> TrainConfig:
    """The config that a preset and the settings given beside it make, a setting winning over its preset.

    An optimizer chosen without a learning rate gets its usual one, unless it is the preset's own. Raises ConfigError.
    """
    chosen = {key: value for key, value in settings.items() if value is not None}
    preset = chosen.get("preset", "reference")
    if preset not in PRESETS:
        raise ConfigError(f"preset must be one of {', '.join(PRESETS)}, not {preset!r}.")
    values = {**_PRESET_VALUES[preset], **chosen}
    if "optimizer" in chosen and chosen["optimizer"] != _PRESET_VALUES[preset].get("optimizer"):
        usual = _USUAL_LEARNING_RATES.get(str(chosen["optimizer"]), 1.0)
        values["learning_rate"] = chosen.get("learning_rate", usual)
    try:
        config = TrainConfig(**values)
    except TypeError as error:
        raise ConfigError(f"unknown setting: {error}.") from error
    for name, reason in problems(config):
        raise ConfigError(f"{name} {reason}.")
    return config


HYPERPARAMETERS = (
    "epochs", "batch_size", "optimizer", "learning_rate", "schedule", "rho", "momentum", "weight_decay", "epsilon", "dropout",
    "augment", "precision", "limit_train", "limit_test",
)  # fmt: skip
"""The settings by which a run is more, or less, than its preset."""


@functools.lru_cache(1024)  # the header asks in every frame
def preset_changes(config: TrainConfig) -> str:
    """Name what was changed beside the preset: "optimizer sgd, dropout 0"; empty when nothing was."""
    try:
        preset = from_settings({"preset": config.preset})
        before = from_settings({"preset": config.preset, "optimizer": config.optimizer})
    except ConfigError:  # somebody else's recording
        return ""
    changes = []
    for name in HYPERPARAMETERS:
        value, usual = getattr(config, name), getattr(preset if name == "optimizer" else before, name)
        if value != usual and config.optimizer in _RULES[name].get("optimizers", (config.optimizer,)):
            text = f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value
            changes.append(f"{name.replace('_', ' ')} {text}")
    return ", ".join(changes)


def preset_label(config: TrainConfig) -> str:
    """Name the preset, and what was changed beside it: "reference, changed: optimizer sgd, dropout 0"."""
    changes = preset_changes(config)
    return f"{config.preset}, changed: {changes}" if changes else config.preset


def for_engine(config: TrainConfig, engine: str) -> TrainConfig:
    """The config as that engine trains it: on its own device; the library-defaults preset differs between the two, on purpose."""
    config = dataclasses.replace(config, device=getattr(config, f"{engine}_device", "") or config.device)
    if config.preset != "library-defaults":
        return config
    return dataclasses.replace(config, **_LIBRARY_DEFAULTS.get(engine, {}))
