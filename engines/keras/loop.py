"""The compiled loop over training steps: its two forms, their warm-up, and the seeds that it carries on the host."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow import Tensor

from engines.experiment.arrays import Arrays
from engines.keras.device import memory_bytes
from engines.keras.state import EngineState

MODULUS = 2**31 - 2
"""Keras reduces its int64 seeds to int32 by this remainder (keras/src/backend/tensorflow/random.py)."""


class CompiledLoop(EngineState):
    """The part of an engine that compiles its `_train_steps`: as TensorFlow's operations and, if it uses XLA, as a program, too."""

    batch_size: int
    order: tf.Variable
    rates: tf.Variable
    seeds: HostSeeds
    xla: bool
    """True if XLA trains the full batches."""
    warm = False
    """True once a first call has traced, compiled and tuned everything."""

    def _train_steps(self, first: Tensor, last: Tensor, seeds: Tensor, *, full: bool) -> Tensor:
        """Train steps first..last-1, all of `batch_size` digits if `full`; returns what `run_steps` does."""
        raise NotImplementedError

    def device_memory_bytes(self) -> int | None:
        """Return the peak of what TensorFlow allocated on the GPU for this engine; None on a CPU."""
        return memory_bytes(self.device)

    def state(self) -> Arrays:
        """Return what training needs to continue, and whether XLA trains: its dropout masks differ from TensorFlow's own."""
        return super().state() | ({"xla": np.array(True)} if self.xla else {})

    def load_state(self, state: Arrays) -> None:
        """Restore what `state` returned; XLA trains only what it has trained so far."""
        if "xla" in state and not self.xla:
            text = "XLA trained this run so far, but is not used here: an uninterrupted run would drop other units from here on."
            print(text, file=sys.stderr, flush=True)
        self.xla = self.xla and "xla" in state
        super().load_state(state)

    @tf.function(jit_compile=False)  # XLA is slower on a CPU and aborts on some GPUs: never left to "auto"
    def _train(self, first: Tensor, last: Tensor, seeds: Tensor) -> Tensor:
        return self._train_steps(first, last, seeds, full=False)

    @tf.function(jit_compile=True)
    def _train_full(self, first: Tensor, last: Tensor, seeds: Tensor) -> Tensor:
        return self._train_steps(first, last, seeds, full=True)

    def run_steps(self, first: int, last: int) -> Tensor:
        """Train steps first..last-1; returns (sum of losses, correct answers), float64, without waiting for the device.

        XLA compiles one shape, so it trains full batches, and TensorFlow's operations the short last one.
        """
        if "GPU" in self.device and not self.warm:  # a CPU has nothing to tune
            self.warm_up({0, self.rates.shape[0] - 1} - set(range(first, last)))
        full = min(last, self.order.shape[0] // self.batch_size) if self.xla else first
        sums, seeds = tf.zeros(2, tf.float64), self.seeds.read()
        for train, start, end in ((self._train_full, first, full), (self._train, full, last)):
            if start < end:
                sums += train(tf.constant(start), tf.constant(end), tf.constant(seeds % MODULUS, tf.int32))
                seeds += (end - start) * self.seeds.drawn
        self.seeds.write(seeds)
        return sums

    def warm_up(self, steps: Iterable[int]) -> None:
        """Train these steps, so that the first call compiles and tunes full and short batches, and undo what they changed."""
        self.warm = True
        weights, state = self.weights(), self.state()
        for step in steps:
            self.run_steps(step, step + 1)
        self.load_weights(weights)
        self.load_state(state)


class HostSeeds:
    """Makes the seed generators of some layers draw their seeds from an int32 on the host, where random operations read them.

    The state of Keras' own is an int64 on the device: each draw would copy a seed to the host and wait for the GPU. The seeds are
    the same, and so is the state between two calls of the loop, which checkpoints hold.
    """

    def __init__(self, *layers: keras.Layer) -> None:
        self.generators = [layer.seed_generator for layer in layers if hasattr(layer, "seed_generator")]
        self.drawn = np.zeros((len(self.generators), 2), np.int32)
        """The draws of a step, which it adds to the seeds, shape (generators, 2); known once a step is traced."""
        for i, generator in enumerate(self.generators):
            generator.next = partial(self._next, i)

    def read(self) -> npt.NDArray[np.int64]:
        """Return the generators' states, which are the next step's seeds, shape (generators, 2)."""
        return np.array([np.asarray(generator.state) for generator in self.generators], np.int64).reshape(-1, 2)

    def write(self, states: npt.NDArray[np.int64]) -> None:
        """Set the generators' states."""
        for generator, state in zip(self.generators, states, strict=True):
            generator.state.assign(state)

    def start_step(self, seeds: Tensor) -> None:
        """Draw from `seeds`, int32 (generators, 2), until the next call."""
        self._seeds, self.drawn = seeds, np.zeros_like(self.drawn)

    def _next(self, i: int, ordered: bool = True) -> Tensor:
        """Draw the next seed, shape (2,), of generator `i`, as its own `next` would."""
        seed = self._seeds[i] + self.drawn[i]
        self.drawn[i, 1] += 1
        return seed
