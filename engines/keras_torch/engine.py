"""The reference convnet in Keras on PyTorch. What it shares with Keras on JAX is in keras_shared.py."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.arrays import Arrays
from engines.experiment.recipe import Weights
from engines.keras.base import MODEL_FILE, KerasEngineBase, hyperparameters_of, loss_and_correct, scale
from engines.pytorch import engine
from engines.pytorch.engine import OUT_OF_MEMORY, TF32_DEFAULT, devices, set_threads

__all__ = ["MODEL_FILE", "OUT_OF_MEMORY", "TF32_DEFAULT", "Engine", "devices", "set_threads"]


class Engine(KerasEngineBase):
    """Trains and answers on one device. The caller counts, times and tells; this class does the arithmetic."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights) -> None:
        torch.manual_seed(config.seed)
        set_precision(config.precision)
        super().__init__(config, digits, weights, config.device)

    # Data

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        """Take the epoch's permutation of the training digits, shape (train_size,), and learning rates, shape (steps,)."""
        self.order = torch.from_numpy(order).to(self.device)
        self.rates: list[float] = rates.tolist()

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Images (n, 28, 28, 1) in 0..1 and labels (n,) of one step; the last step of an epoch may be short."""
        chosen = self.order[step * self.batch_size : (step + 1) * self.batch_size]
        return scale(self.train_images[chosen]), self.train_labels[chosen]

    # Train

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """Train steps first..last-1 of the epoch; returns the sum of losses and the number of right answers."""
        said = []  # summed as doubles, so exactly, however many steps a call has
        with keras.device(self.device):
            for step in range(first, last):
                images, labels = self.batch(step)
                logits = self.model(self.augment(images, training=True), training=True).float()
                losses, right = loss_and_correct(logits, labels)
                self.model.zero_grad()
                losses.mean().backward()
                gradients = [variable.value.grad for variable in self.model.trainable_variables]
                with torch.no_grad():
                    self.optimizer.learning_rate.assign(self.rates[step])
                    self.optimizer.apply(gradients, self.model.trainable_variables)
                said.append(torch.stack([losses.detach().sum(), right]))
        loss_sum, correct = torch.stack(said).cpu().double().sum(dim=0).tolist()  # the call's one synchronisation
        return loss_sum, correct

    # Evaluate

    def evaluate(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Logits (last - first, 10) of those test digits, dropout off."""
        return self.forward(self.test_images[first:last]).cpu().numpy()

    # Predict

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Probabilities (n, 10) for grey images (n, 28, 28); leaves training as it was."""
        logits = self.forward(torch.from_numpy(images[..., None]).to(self.device))
        return logits.softmax(dim=1).cpu().numpy()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, 10) with dropout off."""
        with keras.device(self.device):
            logits: Tensor = self.model(scale(images), training=False).float()
        return logits

    # Checkpoint

    def state(self) -> Arrays:
        """What Keras keeps, and PyTorch's own random state: without a seed of its own, dropout draws from that."""
        state = super().state() | {"random.cpu": torch.get_rng_state().numpy()}
        if self.device.startswith("cuda"):
            state["random.cuda"] = torch.cuda.get_rng_state(self.device).numpy()
        return state

    def load_state(self, state: Arrays) -> None:
        """Take what `state` gave; a GPU's random state only on a GPU."""
        super().load_state(state)
        torch.set_rng_state(torch.from_numpy(state["random.cpu"]))
        if self.device.startswith("cuda") and "random.cuda" in state:
            torch.cuda.set_rng_state(torch.from_numpy(state["random.cuda"]), self.device)

    # The device

    def device_memory_bytes(self) -> int | None:
        """What PyTorch's allocator holds on the GPU; None on a CPU."""
        return torch.cuda.memory_reserved(self.device) if self.device.startswith("cuda") else None


# Optimizer


def hyperparameters(config: TrainConfig) -> dict[str, Any]:
    """Every value of the layers and of the optimizer in Keras' words, those that nobody gave included."""
    return hyperparameters_of(config, TF32_DEFAULT)


# The framework


def framework() -> str:
    """How people write this framework and its version."""
    return f"Keras {keras.version()} on {engine.framework()}"


def version() -> str:
    """The framework's full version."""
    return f"{keras.version()} (torch {torch.__version__})"


def set_precision(precision: str) -> None:
    """TF32 on Ampere and later GPUs, off unless asked for: PyTorch has it on for convolutions by default."""
    engine.set_precision(precision)
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bf16" else "float32")
