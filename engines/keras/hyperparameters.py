"""Every hyperparameter in Keras' own words. The mirror file is engines/pytorch/hyperparameters.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from engines.config import TrainConfig
from engines.experiment.recipe import LAYERS
from engines.keras.model import build_model
from engines.keras.optimizer import build_optimizer, implementation


def hyperparameters(
    config: TrainConfig, build_optimizer: Callable[[TrainConfig], keras.optimizers.Optimizer] = build_optimizer
) -> dict[str, Any]:
    """Return every value of the layers and of the optimizer in Keras' words, including those left at their defaults.

    "default.*" are the values of an optimizer for which nothing is set. A backend with optimizers of its own builds those.
    """
    model = build_model(config.dropout)
    optimizer = build_optimizer(config)
    default = keras.optimizers.get(config.optimizer).get_config()
    values: dict[str, Any] = {
        "optimizer.class": config.optimizer,
        "optimizer.implementation": implementation(optimizer),
    }
    values |= {f"optimizer.{name}": value for name, value in optimizer.get_config().items()}
    values |= {f"default.{name}": value for name, value in default.items()}
    named = [layer for layer in model.layers if not isinstance(layer, keras.layers.ReLU)]
    for name, layer in zip(LAYERS, named, strict=True):
        values |= {f"{name}.{field}": value for field, value in layer.get_config().items()}
        if layer.trainable_variables:
            values[f"{name}.kernel_initializer"] = type(layer.kernel_initializer).__name__
            values[f"{name}.bias_initializer"] = type(layer.bias_initializer).__name__
    return values
