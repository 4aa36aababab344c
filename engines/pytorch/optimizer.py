"""The optimizers. The mirror file is engines/keras/optimizer.py."""

from __future__ import annotations

import torch
from torch import nn

from engines.config import ADAM_BETAS, TrainConfig


def build_optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Build the optimizer with every hyperparameter set, because the libraries' defaults differ."""
    rate, parameters = config.learning_rate, model.parameters()
    if config.optimizer == "adadelta":
        return torch.optim.Adadelta(parameters, lr=rate, rho=config.rho, eps=config.epsilon)
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=config.momentum)
    if config.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=rate, betas=ADAM_BETAS, eps=config.epsilon)
    return torch.optim.AdamW(
        parameters, lr=rate, betas=ADAM_BETAS, eps=config.epsilon, weight_decay=config.weight_decay
    )


def implementation(optimizer: torch.optim.Optimizer) -> str:
    """Return the name of PyTorch's class, which is used as it is."""
    return f"torch.optim.{type(optimizer).__name__}"
