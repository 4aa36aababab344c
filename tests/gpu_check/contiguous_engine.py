"""The PyTorch engine in PyTorch's own memory order instead of channels_last, to compare their speed."""

from __future__ import annotations

import torch  # noqa: TID253  # only a worker imports this module

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.recipe import Weights
from engines.pytorch import engine as pytorch
from engines.pytorch.engine import (
    MODEL_FILE,
    OUT_OF_MEMORY,
    TF32_DEFAULT,
    devices,
    framework,
    hyperparameters,
    set_threads,
    version,
)

__all__ = [
    "MODEL_FILE", "OUT_OF_MEMORY", "TF32_DEFAULT", "Engine", "devices", "framework", "hyperparameters", "set_threads", "version",
]  # fmt: skip


class Engine(pytorch.Engine):
    """The engine, converted before its first step."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights) -> None:
        super().__init__(config, digits, weights)
        self.model.to(memory_format=torch.contiguous_format)
