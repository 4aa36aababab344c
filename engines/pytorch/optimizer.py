"""The optimizers. The mirror file is engines/keras/optimizer.py."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from engines.config import ADAM_BETAS, TrainConfig

warnings.filterwarnings(
    "ignore", "This instance was constructed with capturable=True"
)  # the first step is not captured


def build_optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Build the optimizer with every hyperparameter set, because the libraries' defaults differ.

    On a GPU it is the implementation that reads its learning rate and counts its steps there, without the host.
    """
    rate, parameters = config.learning_rate, list(model.parameters())
    on_gpu = parameters[0].device.type == "cuda" or None  # None leaves the choice to PyTorch
    if config.optimizer == "adadelta":
        return torch.optim.Adadelta(
            parameters, lr=rate, rho=config.rho, eps=config.epsilon, foreach=on_gpu, capturable=bool(on_gpu)
        )
    if config.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=rate, momentum=config.momentum, fused=on_gpu)
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    return kind(
        parameters,
        lr=rate,
        betas=ADAM_BETAS,
        eps=config.epsilon,
        weight_decay=config.weight_decay if config.optimizer == "adamw" else 0,
        fused=on_gpu,
        capturable=bool(on_gpu),
    )


def build_rates(steps: int, device: torch.device) -> Tensor:
    """Make room for the learning rates of an epoch, shape (steps,): on a GPU, where its optimizer reads them, else on the host."""
    return torch.zeros(steps, device=device if device.type == "cuda" else "cpu")


def set_rate(optimizer: torch.optim.Optimizer, rate: Tensor) -> None:
    """Set the learning rate, one of `build_rates`: a GPU gets the tensor, because its number would have to be waited for."""
    optimizer.param_groups[0]["lr"] = rate if rate.device.type == "cuda" else rate.item()


def implementation(optimizer: torch.optim.Optimizer) -> str:
    """Return the name of PyTorch's class, which is used as it is."""
    return f"torch.optim.{type(optimizer).__name__}"
