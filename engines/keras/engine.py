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
from engines.keras import device
from engines.keras.augment import build_augment
from engines.keras.device import OUT_OF_MEMORY, TF32_DEFAULT, devices, framework, set_threads, version
from engines.keras.hyperparameters import hyperparameters
from engines.keras.model import build_model
from engines.keras.optimizer import build_optimizer
from engines.keras.state import MODEL_FILE, EngineState

__all__ = [
    "MODEL_FILE", "OUT_OF_MEMORY", "TF32_DEFAULT", "Engine", "devices", "framework", "hyperparameters", "set_threads", "version",
]  # fmt: skip


class Engine(EngineState):
    """Trains and evaluates one model on one device; the worker counts, times and reports."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights) -> None:
        keras.utils.set_random_seed(config.seed)
        device.set_precision(config.precision)
        self.device = device.device_name(config.device)
        self.batch_size = config.batch_size
        with tf.device(self.device):
            self.train_images, self.train_labels = to_device(digits.train_images, digits.train_labels)
            self.test_images, _ = to_device(digits.test_images, digits.test_labels)
            self.order = tf.Variable(tf.zeros(len(digits.train_labels), tf.int64))
            self.rates = tf.Variable(tf.zeros(-(-len(digits.train_labels) // config.batch_size)))
            self.model = build_model(config.dropout)
            self.augment = build_augment(config.augment)
            self.optimizer = build_optimizer(config)
            self.optimizer.build(self.model.trainable_variables)
        self.load_weights(weights)

    def device_memory_bytes(self) -> int | None:
        """Return what TensorFlow's allocator holds on the GPU; None on a CPU."""
        return device.memory_bytes(self.device)

    # Data

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        """Set the epoch's permutation of the training digits, shape (train_size,), and learning rates, shape (steps,)."""
        self.order.assign(order)
        self.rates.assign(rates)

    def batch(self, step: Tensor) -> tuple[Tensor, Tensor]:
        """Return images (n, 28, 28, 1) in 0..1 and labels (n,) of one step; the last step of an epoch may be short."""
        indices = self.order[step * self.batch_size : (step + 1) * self.batch_size]
        return scale(tf.gather(self.train_images, indices)), tf.gather(self.train_labels, indices)

    # Train

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        """Train steps first..last-1 of the epoch; returns the sum of losses and the number of correct answers."""
        with tf.device(self.device):
            loss_sum, correct = self._train_steps(tf.constant(first, tf.int64), tf.constant(last, tf.int64))
        return float(loss_sum), float(correct)  # the call's one synchronisation with the device

    @tf.function(jit_compile=False)  # XLA is slower on a CPU and aborts on some GPUs: never left to "auto"
    def _train_steps(self, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        loss_sum = tf.zeros((), tf.float64)  # exact, however many steps a call has
        correct = tf.zeros(())
        for step in tf.range(first, last):
            images, labels = self.batch(step)
            images = self.augment(images, training=True)
            self.optimizer.learning_rate.assign(self.rates[step])
            with tf.GradientTape() as tape:
                logits = tf.cast(self.model(images, training=True), tf.float32)
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
                loss = tf.reduce_mean(losses)
            gradients = tape.gradient(loss, self.model.trainable_variables)
            self.optimizer.apply(gradients, self.model.trainable_variables)
            loss_sum += tf.cast(tf.reduce_sum(losses), tf.float64)
            correct += tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1) == labels, tf.float32))
        return loss_sum, correct

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


def to_device(images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Put images (n, 28, 28, 1) as uint8 and labels (n,) on the device, undivided: 47 MB for all of MNIST."""
    return tf.constant(images[..., None]), tf.constant(labels.astype(np.int64))


def scale(images: Tensor) -> Tensor:
    """Scale grey values from 0..255 to 0..1."""
    return tf.cast(images, tf.float32) / 255.0
