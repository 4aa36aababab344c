"""Every hyperparameter in PyTorch's own words. The mirror file is engines/keras/hyperparameters.py."""

from __future__ import annotations

from typing import Any

from torch import nn

from engines.config import TrainConfig
from engines.experiment.recipe import LAYERS
from engines.pytorch.model import build_model
from engines.pytorch.optimizer import build_optimizer, implementation


def hyperparameters(config: TrainConfig) -> dict[str, Any]:
    """Return every value of the layers and of the optimizer in PyTorch's words, including those left at their defaults.

    "default.*" are the values of an optimizer for which nothing is set.
    """
    model = build_model(config.dropout)
    optimizer = build_optimizer(config, model)
    default = type(optimizer)(model.parameters()).defaults  # type: ignore[call-arg]  # each has its own defaults
    values: dict[str, Any] = {
        "optimizer.class": config.optimizer,
        "optimizer.implementation": implementation(optimizer),
    }
    values |= {f"optimizer.{name}": value for name, value in optimizer.defaults.items()}
    values |= {f"default.{name}": value for name, value in default.items()}
    for name, layer in zip(LAYERS, [layer for layer in model if not isinstance(layer, nn.ReLU)], strict=True):
        constants: list[str] = getattr(layer, "__constants__", [])
        values |= {f"{name}.{constant}": getattr(layer, constant) for constant in constants}
        if isinstance(layer, nn.Conv2d | nn.Linear):  # `reset_parameters` of both, as their documentation states it
            values[f"{name}.kernel_initializer"] = "Kaiming uniform, a = √5"
            values[f"{name}.bias_initializer"] = "uniform ±1 / √fan_in"
            values[f"{name}.use_bias"] = layer.bias is not None
    return values
