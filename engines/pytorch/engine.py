"""The reference convnet in PyTorch: batches, training, evaluation, predictions. The mirror file is engines/keras/engine.py."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.recipe import Weights
from engines.pytorch import device
from engines.pytorch.augment import build_augment
from engines.pytorch.captured_step import CapturedStep
from engines.pytorch.device import OUT_OF_MEMORY, TF32_DEFAULT, devices, framework, set_threads, version
from engines.pytorch.hyperparameters import hyperparameters
from engines.pytorch.model import build_model
from engines.pytorch.optimizer import build_optimizer, build_rates, set_rate
from engines.pytorch.state import MODEL_FILE, EngineState

__all__ = [
    "MODEL_FILE", "OUT_OF_MEMORY", "TF32_DEFAULT", "Engine", "devices", "framework", "hyperparameters", "set_threads", "version",
]  # fmt: skip


class Engine(EngineState):
    """Trains and evaluates one model on one device; the worker counts, times and reports."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights) -> None:
        torch.manual_seed(config.seed)
        device.set_precision(config.precision)
        self.device = torch.device(config.device)
        device.activate(self.device)
        self.batch_size = config.batch_size
        self.autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=config.precision == "bf16")
        self.train_images, self.train_labels = to_device(digits.train_images, digits.train_labels, self.device)
        self.test_images, _ = to_device(digits.test_images, digits.test_labels, self.device)
        self.order = torch.zeros_like(self.train_labels)
        self.rates = build_rates(-(-len(self.order) // self.batch_size), self.device)
        self.results = torch.zeros(len(self.rates), 2, device=self.device)
        self.captured_step = CapturedStep(self.device)
        self.model = build_model(config.dropout).to(self.device).to(memory_format=torch.channels_last)
        self.augment = build_augment(config.augment)
        self.optimizer = build_optimizer(config, self.model)
        self.load_weights(weights)

    def device_memory_bytes(self) -> int | None:
        """Return the most bytes that tensors held at once on the GPU; None on a CPU."""
        return device.memory_bytes(self.device)

    # Data

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        """Set the epoch's permutation of the training digits, shape (train_size,), and learning rates, shape (steps,)."""
        self.order.copy_(torch.from_numpy(order))
        self.rates.copy_(torch.from_numpy(rates))

    # Train

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """Train steps first..last-1 of the epoch; returns the sum of losses and the number of correct answers."""
        self.model.train()
        for step in range(first, last):
            if not self.captured_step.run(self, step):
                indices = self.order[step * self.batch_size : (step + 1) * self.batch_size]
                self.results[step] = self.train_batch(indices, self.rates[step])
        losses, correct = zip(*self.results[first:last].tolist(), strict=True)  # the call's one synchronisation
        return sum(losses), sum(correct)  # as doubles, so exactly, however many steps a call has

    def train_batch(self, indices: Tensor, rate: Tensor) -> Tensor:
        """Train on the digits of these indices (n,); returns [the sum of losses, the number of correct answers]."""
        images = scale(self.train_images.index_select(0, indices))
        labels = self.train_labels.index_select(0, indices)
        images = self.augment(images)  # in full precision: bf16 would move a digit by an eighth of a pixel
        with self.autocast:
            logits = self.model(images)
            loss = F.cross_entropy(logits, labels)
        self.optimizer.zero_grad()
        loss.backward()
        set_rate(self.optimizer, rate)
        self.optimizer.step()
        return torch.stack([loss.detach() * len(labels), (logits.argmax(dim=1) == labels).sum(dtype=torch.float32)])

    # Evaluate

    def evaluate(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Return logits (last - first, 10) of those test digits, with dropout off."""
        return self.forward(self.test_images[first:last]).float().cpu().numpy()

    # Predict

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return probabilities (n, 10) for grey images (n, 28, 28); training is not disturbed."""
        logits = self.forward(torch.from_numpy(images).unsqueeze(1).to(self.device))
        return logits.float().softmax(dim=1).cpu().numpy()

    @torch.inference_mode()
    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, 10) of grey images (n, 1, 28, 28), with dropout off."""
        self.model.eval()
        with self.autocast:
            logits: Tensor = self.model(scale(images))
        return logits


# Data


def to_device(
    images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Put images (n, 1, 28, 28) as uint8 and labels (n,) on the device, undivided: 47 MB for all of MNIST."""
    return torch.from_numpy(images).unsqueeze(1).to(device), torch.from_numpy(labels).long().to(device)


def scale(images: Tensor) -> Tensor:
    """Scale grey values from 0..255 to 0..1."""
    return images.float().div_(255)
