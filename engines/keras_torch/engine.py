"""The reference convnet in Keras on PyTorch; engines/keras/base.py has what it shares with Keras on JAX."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.arrays import Arrays
from engines.experiment.recipe import Weights
from engines.keras.base import KerasEngineBase, loss_and_correct, scale
from engines.keras.state import MODEL_FILE
from engines.keras_torch import device
from engines.keras_torch.augment import build_augment
from engines.keras_torch.device import OUT_OF_MEMORY, TF32_DEFAULT, devices, framework, set_threads, version
from engines.keras_torch.optimizer import build_optimizer, hyperparameters

__all__ = [
    "MODEL_FILE", "OUT_OF_MEMORY", "TF32_DEFAULT", "Engine", "devices", "framework", "hyperparameters", "set_threads", "version",
]  # fmt: skip


class Engine(KerasEngineBase):
    """Trains and evaluates one model on one device; the worker counts, times and reports."""

    build_augment = staticmethod(build_augment)
    build_optimizer = staticmethod(build_optimizer)

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights) -> None:
        torch.manual_seed(config.seed)
        device.activate(config.device)
        device.set_precision(config.precision)
        self.is_warm = not config.device.startswith("cuda")  # a CPU has no kernels to load
        super().__init__(config, digits, weights, config.device)

    def device_memory_bytes(self) -> int | None:
        """Return the most bytes that tensors held on the GPU since the run's start; None on a CPU."""
        return device.memory_bytes(self.device)

    # Data

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        """Set the epoch's permutation of the training digits, shape (train_size,), and learning rates, shape (steps,)."""
        self.order = torch.from_numpy(order).to(self.device)
        self.rates: list[float] = rates.tolist()

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return images (n, 28, 28, 1) in 0..1 and labels (n,) of one step; the last step of an epoch may be short."""
        indices = self.order[step * self.batch_size : (step + 1) * self.batch_size]
        return scale(self.train_images[indices]), self.train_labels[indices]

    # Train

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """Train steps first..last-1 of the epoch; returns the sum of losses and the number of correct answers."""
        results = []  # summed as doubles, so exactly, however many steps a call has
        with keras.device(self.device):
            if not self.is_warm:
                self.warm_up()
            for step in range(first, last):
                losses, step_correct = self.backpropagate(step)
                self.optimizer.step(self.rates[step])
                results.append(torch.stack([losses.sum(), step_correct]))
        loss_sum, correct = torch.stack(results).cpu().double().sum(dim=0).tolist()  # the call's one synchronisation
        return loss_sum, correct

    def backpropagate(self, step: int) -> tuple[Tensor, Tensor]:
        """Compute the gradients of one step; returns each digit's loss, shape (n,), and the number of correct answers."""
        images, labels = self.batch(step)
        logits = self.model(self.augment(images, training=True), training=True).float()
        losses, correct = loss_and_correct(logits, labels)
        self.model.zero_grad()
        losses.mean().backward()
        return losses.detach(), correct

    def warm_up(self) -> None:
        """Run the epoch's last batch, which may be short, so that a GPU loads the kernels for its shape in the first call."""
        with torch.random.fork_rng([self.device] if self.device.startswith("cuda") else []):
            self.backpropagate(len(self.rates) - 1)
        self.is_warm = True

    # Evaluate

    def evaluate(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Return logits (last - first, 10) of those test digits, with dropout off."""
        return self.forward(self.test_images[first:last]).cpu().numpy()

    # Predict

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return probabilities (n, 10) for grey images (n, 28, 28); training is not disturbed."""
        logits = self.forward(torch.from_numpy(images[..., None]).to(self.device))
        return logits.softmax(dim=1).cpu().numpy()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, 10) of grey images (n, 28, 28, 1), with dropout off."""
        with keras.device(self.device):
            logits: Tensor = self.model(scale(images), training=False).float()
        return logits

    # Checkpoint

    def state(self) -> Arrays:
        """Return Keras' state and PyTorch's own random state: without a seed of its own, dropout draws from that."""
        state = super().state() | {"random.cpu": torch.get_rng_state().numpy()}
        if self.device.startswith("cuda"):
            state["random.cuda"] = torch.cuda.get_rng_state(self.device).numpy()
        return state

    def load_state(self, state: Arrays) -> None:
        """Restore what `state` returned; a GPU's random state only on a GPU."""
        super().load_state(state)
        torch.set_rng_state(torch.from_numpy(state["random.cpu"]))
        if self.device.startswith("cuda") and "random.cuda" in state:
            torch.cuda.set_rng_state(torch.from_numpy(state["random.cuda"]), self.device)
