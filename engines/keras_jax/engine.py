"""The reference convnet in Keras on JAX. What it shares with Keras on PyTorch is in keras_shared.py."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import jax
import keras
import numpy as np
import numpy.typing as npt
from jax import Array, numpy as jnp

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.recipe import Weights
from engines.gpu_selection import driver_id
from engines.keras.base import MODEL_FILE, KerasEngineBase, hyperparameters_of, loss_and_correct, scale
from engines.messages.events import Device

__all__ = ["MODEL_FILE", "Engine"]

OUT_OF_MEMORY = ()
"""JAX has one error for everything that XLA says; its text tells."""
TF32_DEFAULT = "matrix products and convolutions"
"""What XLA does in TF32 on CUDA unless told otherwise: JAX's default matmul precision."""
State = tuple[list[Array], list[Array], list[Array], list[Array]]
"""What a step changes: parameters, dropout's random state, augmentation's, and the optimizer's variables."""


class Engine(KerasEngineBase):
    """Trains and answers on one device. The caller counts, times and tells; this class does the arithmetic."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights) -> None:
        set_precision(config.precision)
        super().__init__(config, digits, weights, device_name(config.device))
        self.compiled: dict[int, Any] = {}
        """The step by its number of digits: the last of an epoch may be short."""
        slots = enumerate(self.optimizer.variables)
        self.rate_slot = next(i for i, variable in slots if variable is self.optimizer.learning_rate)
        self.forward = jax.jit(self._forward)

    # Data

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        """Take the epoch's permutation of the training digits, shape (train_size,), and learning rates, shape (steps,)."""
        with keras.device(self.device):
            self.order, self.rates = jnp.asarray(order.astype(np.int32)), jnp.asarray(rates)
        self.sizes = [min(self.batch_size, len(order) - first) for first in range(0, len(order), self.batch_size)]

    # Train

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """Train steps first..last-1 of the epoch; returns the sum of losses and the number of right answers."""
        with keras.device(self.device):
            digits = (self.train_images, self.train_labels, self.order, self.rates)
            state: State = tuple([variable.value for variable in some] for some in self.changing())  # type: ignore[assignment]  # four
            for size in set(self.sizes) - set(
                self.compiled
            ):  # all in the first call, whose seconds count for themselves
                compiled = jax.jit(partial(self._train_step, size), donate_argnums=0)
                self.compiled[size] = compiled.lower(state, digits, first).compile()
            said = []
            for step in range(first, last):
                state, loss_sum, right = self.compiled[self.sizes[step]](state, digits, step)
                said.append((loss_sum, right))
            for variables, values in zip(self.changing(), state, strict=True):
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value)
        losses, rights = zip(*jax.device_get(said), strict=True)  # the call's one synchronisation with the device
        return sum(map(float, losses)), sum(map(float, rights))

    def changing(self) -> tuple[list[keras.Variable], ...]:
        """The variables of a State."""
        model, augment = self.model, self.augment
        return (
            model.trainable_variables,
            model.non_trainable_variables,
            augment.non_trainable_variables,
            self.optimizer.variables,
        )

    def _train_step(
        self, size: int, state: State, digits: tuple[Array, ...], step: Array
    ) -> tuple[State, Array, Array]:
        """The state after a step on so many digits, the sum of losses and the number of right answers."""
        (parameters, masks, turns, slots), (images, labels, order, rates) = state, digits
        chosen = jax.lax.dynamic_slice(order, (step * self.batch_size,), (size,))
        augmented, turns = self.augment.stateless_call([], turns, scale(images[chosen]))
        slots = [rates[step] if i == self.rate_slot else slot for i, slot in enumerate(slots)]

        def loss(parameters: list[Array]) -> tuple[Array, tuple[Array, Array, list[Array]]]:
            logits, after = self.model.stateless_call(parameters, masks, augmented, training=True)
            losses, right = loss_and_correct(logits.astype(jnp.float32), labels[chosen])
            return jnp.mean(losses), (jnp.sum(losses), right, after)

        gradients, (loss_sum, right, masks) = jax.grad(loss, has_aux=True)(parameters)
        parameters, slots = self.optimizer.stateless_apply(slots, gradients, parameters)
        return (parameters, masks, turns, slots), loss_sum, right

    # Evaluate

    def evaluate(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Logits (last - first, 10) of those test digits, dropout off."""
        return self.answer(self.test_images[first:last])

    # Predict

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Probabilities (n, 10) for grey images (n, 28, 28); leaves training as it was."""
        return np.asarray(jax.nn.softmax(self.answer(images[..., None])))

    def answer(self, images: Any) -> npt.NDArray[np.float32]:
        """Logits (n, 10) of grey images (n, 28, 28, 1)."""
        parameters, others, *_ = ([variable.value for variable in some] for some in self.changing())
        with keras.device(self.device):
            return np.asarray(self.forward(parameters, others, images))

    def _forward(self, parameters: list[Array], others: list[Array], images: Array) -> Array:
        """Logits (n, 10) with dropout off."""
        logits, _ = self.model.stateless_call(parameters, others, scale(images), training=False)
        return logits.astype(jnp.float32)

    # The device

    def device_memory_bytes(self) -> int | None:
        """What JAX's allocator holds on the GPU; None on a CPU."""
        if "gpu" not in self.device:
            return None
        return int((jax_device(self.device).memory_stats() or {})["bytes_in_use"])


# Optimizer


def hyperparameters(config: TrainConfig) -> dict[str, Any]:
    """Every value of the layers and of the optimizer in Keras' words, those that nobody gave included."""
    return hyperparameters_of(config, TF32_DEFAULT)


# The framework


def framework() -> str:
    """How people write this framework and its version."""
    return f"Keras {keras.version()} on JAX {jax.__version__}"


def version() -> str:
    """The framework's full version."""
    return f"{keras.version()} (jax {jax.__version__})"


def set_threads(threads: int) -> None:
    """CPU threads of one operation: XLA reads it once, when the first device is asked for."""
    os.environ["NPROC"] = str(threads)


def set_precision(precision: str) -> None:
    """TF32 on Ampere and later GPUs, off unless asked for: JAX has it on by default."""
    jax.config.update("jax_default_matmul_precision", "tensorfloat32" if precision == "tf32" else "float32")
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bf16" else "float32")


def device_name(device: str) -> str:
    """ "cuda:0" as Keras writes it."""
    return device.replace("cuda", "gpu") if device.startswith("cuda") else "cpu:0"


def jax_device(name: str) -> jax.Device:
    """The device that Keras calls so."""
    kind, _, number = name.partition(":")
    return jax.devices(kind)[int(number)]


def devices() -> tuple[Device, ...]:
    """The CPU, then every GPU, or why there is none."""
    cpu = Device(id="cpu", name="CPU")
    try:
        found = jax.devices("gpu")
    except RuntimeError:
        reason = "this JAX finds no GPU: it may be built without CUDA, or lack the driver"
        return cpu, Device(id="cuda:0", name="GPU", usable=False, reason=reason)
    return cpu, *(Device(id=f"cuda:{i}", name=gpu.device_kind, gpu=driver_id(i)) for i, gpu in enumerate(found))
