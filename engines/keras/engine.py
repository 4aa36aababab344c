"""The reference convnet in Keras: batches, training, evaluation, predictions. The mirror file is engines/pytorch/engine.py."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow import Tensor

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.recipe import Weights
from engines.keras import device, xla
from engines.keras.augment import build_augment
from engines.keras.device import OUT_OF_MEMORY, TF32_DEFAULT, devices, framework, set_threads, version
from engines.keras.hyperparameters import hyperparameters
from engines.keras.loop import CompiledLoop, HostSeeds
from engines.keras.model import build_model
from engines.keras.optimizer import build_optimizer
from engines.keras.state import MODEL_FILE

__all__ = [
    "MODEL_FILE", "OUT_OF_MEMORY", "TF32_DEFAULT", "Engine", "devices", "framework", "hyperparameters", "set_threads", "version",
]  # fmt: skip


class Engine(CompiledLoop):
    """Trains and evaluates one model on one device; the worker counts, times and reports."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights, use_xla: bool | None = None) -> None:
        keras.utils.set_random_seed(config.seed)
        device.set_precision(config.precision)
        self.device = device.device_name(config.device)
        device.reset_peak_memory(self.device)
        self.batch_size = config.batch_size
        self.xla = xla.is_used(config) if use_xla is None else use_xla
        with tf.device(self.device):
            self.train_images, self.train_labels = to_device(digits.train_images, digits.train_labels, self.device)
            self.test_images = tf.constant(digits.test_images[..., None])
            self.order = tf.Variable(tf.zeros(len(digits.train_labels), tf.int64))
            self.rates = tf.Variable(tf.zeros(-(-len(digits.train_labels) // config.batch_size)))
            self.model = build_model(config.dropout)
            self.augment = build_augment(config.augment)
            self.optimizer = build_optimizer(config)
            self.optimizer.build(self.model.trainable_variables)
        self.seeds = HostSeeds(*self.model.layers, self.augment)
        self.load_weights(weights)

    # Data

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        """Set the epoch's permutation of the training digits, shape (train_size,), and learning rates, shape (steps,)."""
        self.order.assign(order)
        self.rates.assign(rates)

    def batch(self, step: Tensor, full: bool) -> tuple[Tensor, Tensor]:
        """Return images (n, 28, 28, 1) in 0..1 and labels (n,) of one step; unless `full`, it may be an epoch's short last one."""
        first, n = step * self.batch_size, self.batch_size
        indices = tf.slice(self.order, [first], [n]) if full else self.order[first : first + n]
        return scale(tf.gather(self.train_images, indices)), tf.gather(self.train_labels, indices)

    # Train

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """Train steps first..last-1 of the epoch; returns the sum of losses and the number of correct answers."""
        with tf.device(self.device):
            loss_sum, correct = self.run_steps(first, last).numpy()  # the call's one synchronisation with the device
        return float(loss_sum), float(correct)

    def _train_steps(self, first: Tensor, last: Tensor, seeds: Tensor, *, full: bool) -> Tensor:
        step, sums = first, tf.zeros(2, tf.float64)  # exact, however many steps a call has
        while step < last:  # not tf.range, for which XLA would compile each range; int32 stays on the host
            self.seeds.start_step(seeds)
            images, labels = self.batch(step, full)
            images = self.augment(images, training=True)
            self.optimizer.learning_rate.assign(self.rates[step])
            with tf.GradientTape() as tape:
                logits = tf.cast(self.model(images, training=True), tf.float32)
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
                loss = tf.reduce_mean(losses)
            gradients = tape.gradient(loss, self.model.trainable_variables)
            self.optimizer.apply(gradients, self.model.trainable_variables)
            correct = tf.cast(tf.argmax(logits, axis=1) == labels, tf.float32)
            sums += tf.cast([tf.reduce_sum(losses), tf.reduce_sum(correct)], tf.float64)
            step, seeds = step + 1, seeds + self.seeds.drawn
        return sums

    # Evaluate

    def evaluate(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Return logits (last - first, 10) of those test digits, with dropout off."""
        with tf.device(self.device):
            return np.asarray(self.forward(self.test_images[first:last]))

    # Predict

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return probabilities (n, 10) for grey images (n, 28, 28); training is not disturbed."""
        with tf.device(self.device):
            return np.asarray(tf.nn.softmax(self.forward(tf.constant(images[..., None]))))

    @tf.function(reduce_retracing=True, jit_compile=False)
    def forward(self, images: Tensor) -> Tensor:
        """Return logits (n, 10) of grey images (n, 28, 28, 1), with dropout off."""
        return tf.cast(self.model(scale(images), training=False), tf.float32)


# Data


def to_device(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], device: str) -> tuple[Tensor, Tensor]:
    """Put images (n, 28, 28, 1) and labels (n,) on the device, undivided: 47 MB for all of MNIST, 94 MB on a GPU."""
    grey = np.float16 if "GPU" in device else np.uint8  # tf.gather has no GPU kernel for uint8; float16 is exact
    return tf.constant(images[..., None].astype(grey)), tf.constant(labels.astype(np.int64))


def scale(images: Tensor) -> Tensor:
    """Scale grey values from 0..255 to 0..1."""
    return tf.cast(images, tf.float32) / 255.0
