"""The reference convnet in Keras on JAX; engines/keras/base.py has what it shares with Keras on PyTorch."""

from __future__ import annotations

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
from engines.keras.base import KerasEngineBase, loss_and_correct, scale
from engines.keras.hyperparameters import hyperparameters
from engines.keras.state import MODEL_FILE
from engines.keras_jax import device
from engines.keras_jax.device import OUT_OF_MEMORY, TF32_DEFAULT, devices, framework, set_threads, version

__all__ = [
    "MODEL_FILE", "OUT_OF_MEMORY", "TF32_DEFAULT", "Engine", "devices", "framework", "hyperparameters", "set_threads", "version",
]  # fmt: skip
State = tuple[list[Array], list[Array], list[Array], list[Array], Array]
"""Parameters, random states of dropout and of augmentation, optimizer's variables, losses and correct answers (steps, 2)."""


class Engine(KerasEngineBase):
    """Trains and evaluates one model on one device; the worker counts, times and reports."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights) -> None:
        device.set_precision(config.precision)
        super().__init__(config, digits, weights, device.device_name(config.device))
        self.compiled: dict[int, Any] = {}  # steps, by the number of their digits: the last of an epoch may be short
        self.loops = config.device != "cpu"  # many steps in one program; XLA's convolutions are slow in loops on a CPU
        self.forward = jax.jit(self.model.stateless_call, static_argnames="training")

    def device_memory_bytes(self) -> int | None:
        """Return the most bytes that JAX's allocator held on the GPU; None on a CPU."""
        return device.memory_bytes(self.device)

    # Data

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        """Set the epoch's permutation of the training digits, shape (train_size,), and learning rates, shape (steps,)."""
        with keras.device(self.device):
            self.order, self.rates = jnp.asarray(order.astype(np.int32)), jnp.asarray(rates)
        self.sizes = [min(self.batch_size, len(order) - first) for first in range(0, len(order), self.batch_size)]

    # Train

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """Train steps first..last-1 of the epoch; returns the sum of losses and the number of correct answers."""
        with keras.device(self.device):
            digits = (self.train_images, self.train_labels, self.order, self.rates)
            groups = ([variable.value for variable in group] for group in self.state_variables())
            state: State = (*groups, jnp.zeros((len(self.rates), 2)))
            for size in set(self.sizes) - set(self.compiled):  # all in the first call, which is timed apart
                compiled = jax.jit(partial(self._steps, size), donate_argnums=0)
                self.compiled[size] = compiled.lower(state, digits, first, last).compile()
            while first < last:
                stop = max(first + 1, min(last, self.sizes.count(self.batch_size)) if self.loops else 0)
                state = self.compiled[self.sizes[first]](state, digits, first, stop)
                first = stop
            for variables, values in zip(self.state_variables(), state[:-1], strict=True):
                for variable, value in zip(variables, values, strict=True):
                    variable.assign(value)
        figures = np.asarray(state[-1], np.float64)  # the call's one synchronisation with the device
        loss_sum, correct = figures.sum(axis=0).tolist()  # of doubles, so exact, however many steps a call has
        return loss_sum, correct

    def state_variables(self) -> tuple[list[keras.Variable], ...]:
        """Return the variables of a State."""
        of_model = self.model.trainable_variables, self.model.non_trainable_variables
        return *of_model, self.augment.non_trainable_variables, self.optimizer.variables

    def _steps(self, size: int, state: State, digits: tuple[Array, ...], first: Array, last: Array) -> State:
        """Return the state after steps first..last-1 on `size` digits each, or after `first` alone."""
        step = partial(self._step, size, digits)
        return jax.lax.fori_loop(first, last, step, state) if self.loops else step(first, state)

    def _step(self, size: int, digits: tuple[Array, ...], step: Array, state: State) -> State:
        """Return the state after a step on `size` digits."""
        (images, labels, order, rates), (parameters, dropout_state, augment_state, slots, figures) = digits, state
        indices = jax.lax.dynamic_slice(order, (step * self.batch_size,), (size,))
        augmented, augment_state = self.augment.stateless_call([], augment_state, scale(images[indices]))
        named = zip(self.optimizer.variables, slots, strict=True)
        slots = [rates[step] if variable is self.optimizer.learning_rate else slot for variable, slot in named]

        def loss(parameters: list[Array]) -> tuple[Array, tuple[Array, Array, list[Array]]]:
            logits, after = self.model.stateless_call(parameters, dropout_state, augmented, training=True)
            losses, correct = loss_and_correct(logits.astype(jnp.float32), labels[indices])
            return jnp.mean(losses), (jnp.sum(losses), correct, after)

        gradients, (loss_sum, correct, dropout_state) = jax.grad(loss, has_aux=True)(parameters)
        parameters, slots = self.optimizer.stateless_apply(slots, gradients, parameters)
        figures = figures.at[step].set(jnp.stack([loss_sum, correct]))
        return parameters, dropout_state, augment_state, slots, figures

    # Evaluate

    def evaluate(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Return logits (last - first, 10) of those test digits, with dropout off."""
        with keras.device(self.device):
            return np.asarray(self.logits(self.test_images[first:last]))

    # Predict

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return probabilities (n, 10) for grey images (n, 28, 28); training is not disturbed."""
        with keras.device(self.device):
            return np.asarray(jax.nn.softmax(self.logits(images[..., None])))

    def logits(self, images: Any) -> Array:
        """Return logits (n, 10) of grey images (n, 28, 28, 1), with dropout off."""
        parameters, others, *_ = ([variable.value for variable in group] for group in self.state_variables())
        logits, _ = self.forward(parameters, others, scale(images), training=False)
        return logits.astype(jnp.float32)
