"""What the worker asks of a framework: the seam between the training loop and an engine.

A framework's package offers a module (`EngineModule`) with a class (`Engine`). The worker counts, times and reports; the engine
does the arithmetic. To add a framework, write a module that satisfies both Protocols; the smallest is
`tests/support/scripted_engine.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.arrays import Arrays
from engines.experiment.recipe import Weights
from engines.messages.events import Device


class Engine(Protocol):
    """One model on one device, with its optimizer and its digits."""

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        """Take the epoch's permutation of the training digits, shape (train_size,), and learning rates, shape (steps,)."""

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """Train steps first..last-1 of the epoch, with the device synchronised at the end.

        Returns the sum of the digits' cross-entropies (nats) and the number of correct answers.
        """
        ...

    def evaluate(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Logits (last - first, 10) of those test digits, with dropout off."""
        ...

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Probabilities (n, 10) of grey images (n, 28, 28) in 0..255. Training is not disturbed."""
        ...

    def weights(self) -> Weights:
        """Parameters in the canonical layout of `engines.experiment.recipe`."""
        ...

    def state(self) -> Arrays:
        """What a checkpoint needs beside the weights: optimizer slots and random state."""
        ...

    def load_state(self, state: Arrays) -> None:
        """Restore what `state` returned."""

    def save_model(self, path: Path) -> None:
        """Write the model in its library's own format. May raise OSError and whatever the library raises."""

    def device_memory_bytes(self) -> int | None:
        """Bytes that the framework's allocator holds on the device; None on a CPU."""


class ParallelEngine(Engine, Protocol):
    """An engine that trains on several devices; it has processes or threads of its own."""

    def close(self) -> None:
        """End the replicas; the model still predicts."""


class EngineClass(Protocol):
    """How an engine is made."""

    def __call__(self, config: TrainConfig, digits: Digits, weights: Weights) -> Engine:
        """Build the model on `config.device` with these first weights. May raise whatever the framework raises."""
        ...


class EngineModule(Protocol):
    """A framework as the worker sees it: a module, imported once, in a process of its own."""

    Engine: EngineClass
    OUT_OF_MEMORY: tuple[type[Exception], ...]
    """What the framework raises when memory runs out, beside MemoryError."""
    MODEL_FILE: str
    """The name of the file that `save_model` writes."""

    def framework(self) -> str:
        """The framework and its version, as people write them: "PyTorch 2.9"."""
        ...

    def version(self) -> str:
        """The framework's full version."""
        ...

    def set_threads(self, threads: int) -> None:
        """Limit one operation to so many CPU threads; called once, before anything is computed."""

    def devices(self) -> tuple[Device, ...]:
        """The CPU first, then every GPU, or an unusable one with the reason why there is none."""
        ...

    def hyperparameters(self, config: TrainConfig) -> Mapping[str, Any]:
        """Every value of the layers and of the optimizer in the framework's own words, defaults included."""
        ...
