"""The seam between the worker and a framework: what each engine module has to offer.

The worker counts, times and reports; an engine does the arithmetic. To add a framework, write a module that satisfies
`EngineModule`. The smallest is `tests/support/scripted_engine.py`; mypy checks all in `tests/engines/experiment/test_contract.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.activations import Activations
from engines.experiment.arrays import Arrays
from engines.experiment.recipe import Weights
from engines.messages.events import Device


class Engine(Protocol):
    """One model on one device, with its optimizer and its digits."""

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        """Set the epoch's permutation of the training digits, shape (train_size,), and learning rates, shape (steps,)."""

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """Train steps first..last-1 of the epoch, counted from 0, and return with the device synchronised.

        Returns the sum of the digits' cross-entropies (nats) and the number of correct answers.
        """
        ...

    def evaluate(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Return logits (last - first, 10) of the digits first..last-1 of `digits.test_images`, with dropout off."""
        ...

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return probabilities (n, 10) of grey images (n, 28, 28) in 0..255; training is not disturbed."""
        ...

    def weights(self) -> Weights:
        """Return the parameters in the canonical layout of `engines.experiment.recipe`."""
        ...

    def state(self) -> Arrays:
        """Return what a checkpoint needs besides the weights: the optimizer's slots and the random state."""
        ...

    def load_state(self, state: Arrays) -> None:
        """Restore what `state` returned."""

    def save_model(self, path: Path) -> None:
        """Write the model in its library's own format. May raise OSError and whatever the library raises."""

    def device_memory_bytes(self) -> int | None:
        """Return the most bytes that tensors held at once on the device since the model was built; None on a CPU."""
        ...


@runtime_checkable
class ParallelEngine(Engine, Protocol):
    """An engine that trains on several devices, with processes or threads of its own. Its `state` covers all replicas."""

    def close(self) -> None:
        """End the other replicas; the model still predicts."""


class EngineClass(Protocol):
    """The class of an engine."""

    def __call__(self, config: TrainConfig, digits: Digits, weights: Weights) -> Engine:
        """Build the model on `config.device` with these initial weights. May raise whatever the framework raises."""
        ...


class EngineModule(Protocol):
    """A framework as the worker sees it: a module, imported once, in a process of its own."""

    OUT_OF_MEMORY: tuple[type[Exception], ...]
    """The exceptions that the framework raises when memory runs out, besides MemoryError."""
    TF32_DEFAULT: str
    """The arithmetic that the framework does in TF32 on CUDA by default, for people; may be empty."""
    MODEL_FILE: str
    """The name of the file that `save_model` writes."""

    @property
    def __package__(self) -> str | None:
        """The package that may have the modules `parallel`, `inspection` and `selftest`, as described below, beside this one."""

    @property
    def Engine(self) -> EngineClass:
        """The engine's class."""
        ...

    def framework(self) -> str:
        """Return the framework and its version as people write them: "PyTorch 2.9"."""
        ...

    def version(self) -> str:
        """Return the framework's full version."""
        ...

    def set_threads(self, threads: int) -> None:
        """Set the CPU threads of one operation; called once, before anything is computed."""

    def devices(self) -> tuple[Device, ...]:
        """Return the CPU, then every GPU, or an unusable one with the reason why there is none."""
        ...

    def hyperparameters(self, config: TrainConfig) -> Mapping[str, Any]:
        """Return every value of the layers and of the optimizer in the framework's own words, including defaults."""
        ...


class ParallelModule(Protocol):
    """The optional module `parallel` beside an engine's, for training on several devices."""

    @property
    def ParallelEngine(self) -> EngineClass:
        """The class of a `ParallelEngine`; `config.device` is a comma list."""
        ...


class InspectionModule(Protocol):
    """The optional module `inspection` beside an engine's, for the values inside its network. Training is not disturbed."""

    def inspect(self, engine: Any, image: npt.NDArray[np.uint8]) -> Activations:
        """Return the values of each layer for a grey image (28, 28) in 0..255, with dropout off."""
        ...

    def gradients(self, engine: Any, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> Weights:
        """Return the gradients of the mean loss of n digits, in the canonical layout, with dropout off."""
        ...


class SelftestModule(Protocol):
    """The module `selftest` beside an engine's, for `mnist-tui doctor`."""

    def build_info(self) -> Mapping[str, Any]:
        """Return how the framework was built: "cuda", "cudnn" and "kernels", as far as it reports them."""
        ...

    def device_info(self, device: str) -> Mapping[str, Any]:
        """Return "memory_bytes" and "capability" of a GPU, as far as the framework reports them."""
        ...

    def check_step(self, device: str) -> None:
        """Run a convolution forward and backward. Raises whatever the framework raises."""

    def check_xla(self) -> str:
        """Return whether XLA compiles here; empty where there is no XLA to test. May end the process."""
        ...
