"""Keras' optimizers in PyTorch's grouped operations, one for all variables. The mirror files are the other packages' optimizer.py.

Keras' own steps put numbers of Python's on the device, or read the learning rate back from it, and the host waits for both.
"""

from __future__ import annotations

from typing import Any, cast

import keras
import torch
from torch import Tensor

from engines.config import TrainConfig
from engines.keras import hyperparameters as shared, optimizer


def build_optimizer(config: TrainConfig) -> Optimizer:
    """Build one of the optimizers below, as `engines.keras.optimizer` does."""
    return cast(Optimizer, optimizer.build_optimizer(config, (Adadelta, SGD, AdamW)))


def hyperparameters(config: TrainConfig) -> dict[str, Any]:
    """Return what `engines.keras.hyperparameters` does, of these optimizers."""
    return shared.hyperparameters(config, build_optimizer)


class Optimizer(keras.optimizers.Optimizer):
    """An optimizer of Keras whose step never waits for the device."""

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Update all variables by their gradients at this learning rate, which becomes the optimizer's own."""
        self.learning_rate.value.fill_(rate)
        gradients = [variable.value.grad for variable in self._trainable_variables]
        self.update(values(self._trainable_variables), gradients, rate)
        self.iterations.value.add_(1)

    def update(self, weights: list[Tensor], gradients: list[Tensor], rate: float) -> None:
        """Update the weights and the slots in place."""
        raise NotImplementedError


class Adadelta(Optimizer, keras.optimizers.Adadelta):
    """Keras' Adadelta: the same formula."""

    def update(self, weights: list[Tensor], gradients: list[Tensor], rate: float) -> None:
        """Update the weights and the slots in place."""
        squares, deltas = values(self._accumulated_grads), values(self._accumulated_delta_vars)
        update_average(squares, gradients, self.rho)
        roots = torch._foreach_sqrt(torch._foreach_add(squares, self.epsilon))
        steps = torch._foreach_sqrt(torch._foreach_add(deltas, self.epsilon))
        torch._foreach_mul_(steps, gradients)
        torch._foreach_div_(steps, roots)
        update_average(deltas, steps, self.rho)
        torch._foreach_add_(weights, steps, alpha=-rate)


class SGD(Optimizer, keras.optimizers.SGD):
    """SGD with PyTorch's momentum: the learning rate scales the whole step, where Keras' own scales each gradient.

    Both are the same while the learning rate is constant, and differ under a schedule.
    """

    def update(self, weights: list[Tensor], gradients: list[Tensor], rate: float) -> None:
        """Update the weights and the slots in place."""
        steps = gradients
        if self.momentum:
            steps = values(self.momentums)
            torch._foreach_mul_(steps, self.momentum)
            torch._foreach_add_(steps, gradients)
        torch._foreach_sub_(weights, torch._foreach_mul(steps, rate))


class AdamW(Optimizer, keras.optimizers.AdamW):
    """Adam as in Kingma & Ba 2015, Algorithm 1, and in PyTorch: epsilon is added after the bias correction.

    Keras' own adds it before, the paper's "epsilon hat": small gradients then move differently. Without decay this is Adam.
    """

    def update(self, weights: list[Tensor], gradients: list[Tensor], rate: float) -> None:
        """Update the weights and the slots in place."""
        means, squares = values(self._momentums), values(self._velocities)
        learning_rate, step = self.learning_rate.value, self.iterations.value.float() + 1
        if self.weight_decay:
            torch._foreach_mul_(weights, 1 - self.weight_decay * learning_rate)
        for averages, samples, weight in (
            (means, gradients, 1 - self.beta_1),
            (squares, torch._foreach_mul(gradients, gradients), 1 - self.beta_2),
        ):
            differences = torch._foreach_sub(samples, averages)
            torch._foreach_mul_(differences, weight)
            torch._foreach_add_(averages, differences)
        roots = torch._foreach_sqrt(torch._foreach_div(squares, 1 - self.beta_2**step))
        torch._foreach_add_(roots, self.epsilon)
        steps = torch._foreach_mul(means, learning_rate / (1 - self.beta_1**step))
        torch._foreach_sub_(weights, torch._foreach_div(steps, roots))


def update_average(averages: list[Tensor], samples: list[Tensor] | tuple[Tensor, ...], rho: float) -> None:
    """Move exponential averages in place, by 1 - rho, towards the squares of the samples."""
    torch._foreach_mul_(averages, rho)
    torch._foreach_add_(averages, torch._foreach_mul(samples, samples), alpha=1 - rho)


def values(variables: list[keras.Variable]) -> list[Tensor]:
    """Return the variables' tensors."""
    return [variable.value for variable in variables]
