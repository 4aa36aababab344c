"""Training on several devices at once with tf.distribute.MirroredStrategy. The mirror file is engines/pytorch/parallel.py.

Each replica holds the full model and trains on its contiguous share of every batch. Before each step the gradients of all
replicas are summed, so every replica makes the step that one device would make.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf
from tensorflow import Tensor

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.arrays import Arrays
from engines.experiment.recipe import Weights
from engines.keras.device import device_name, memory_bytes, reset_peak_memory
from engines.keras.engine import Engine, scale


class ParallelEngine(Engine):
    """Trains on all devices of a comma list, evaluates and predicts on the first. Close it when the training is over."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights) -> None:
        names = config.device.split(",")
        self.devices = [f"/CPU:{i}" if name == "cpu" else device_name(name) for i, name in enumerate(names)]
        for device in self.devices:
            reset_peak_memory(device)
        # TensorFlow's collectives allow one list of devices in the life of a process; copying 5 MB of gradients is quick.
        self.strategy = tf.distribute.MirroredStrategy(self.devices, tf.distribute.ReductionToOneDevice())
        with self.strategy.scope():
            super().__init__(dataclasses.replace(config, device=names[0]), digits, weights)
        self.copies = []
        for device in self.devices:
            with tf.device(device):
                self.copies.append((tf.identity(self.train_images), tf.identity(self.train_labels)))

    # Data

    def batch(self, step: Tensor, full: bool = False) -> tuple[Tensor, Tensor]:
        """Return this replica's share of the step's images and labels; one image if the share is empty: oneDNN needs one."""
        replica, replicas = replica_number(), len(self.devices)
        images, labels = self.copies[replica]
        indices = self.order[step * self.batch_size : (step + 1) * self.batch_size]
        size = tf.size(indices)
        first, last = size * replica // replicas, size * (replica + 1) // replicas
        never_empty = indices[first : tf.maximum(last, first + 1)]
        return scale(tf.gather(images, never_empty)), tf.gather(labels, indices[first:last])

    # Train

    def _train_steps(self, first: Tensor, last: Tensor, seeds: Tensor, *, full: bool) -> Tensor:
        step, sums = first, tf.zeros(2, tf.float64)
        while step < last:
            self.optimizer.learning_rate.assign(self.rates[step])
            size = tf.minimum(self.batch_size, self.order.shape[0] - step * self.batch_size)
            step_sums = self.strategy.run(self.replica_step, args=(step, tf.cast(size, tf.float32), seeds))
            sums += self.strategy.reduce("SUM", step_sums, axis=None)
            step, seeds = step + 1, seeds + self.seeds.drawn
        return sums

    def replica_step(self, step: Tensor, size: Tensor, seeds: Tensor) -> Tensor:
        """Do one replica's part of a step on `size` digits; returns its sum of losses and its number of correct answers."""
        self.seeds.start_step(seeds + np.array([replica_number(), 0]))  # or all would drop the same units
        images, labels = self.batch(step)
        images = self.augment(images, training=True)
        with tf.GradientTape() as tape:
            logits = tf.cast(self.model(images, training=True), tf.float32)[: tf.size(labels)]
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            # The shares' gradients add up to the gradient of the batch's mean.
            loss = tf.reduce_sum(losses) / size
        gradients = tape.gradient(loss, self.model.trainable_variables)
        self.optimizer.apply(gradients, self.model.trainable_variables)
        correct = tf.cast(tf.argmax(logits, axis=1) == labels, tf.float32)
        return tf.cast([tf.reduce_sum(losses), tf.reduce_sum(correct)], tf.float64)

    # Checkpoint

    def state(self) -> Arrays:
        """Return the state that one device has, and the random state of the other replicas."""
        others = {
            f"random.{i}.{replica}": np.asarray(state) + np.array([replica, 0])
            for i, state in enumerate(self.random_variables())
            for replica in range(1, len(self.devices))
        }
        return super().state() | others

    # The device

    def device_memory_bytes(self) -> int | None:
        """Return the sum of the peaks of what TensorFlow allocated on each GPU for this engine; None on CPUs."""
        return sum(memory_bytes(device) or 0 for device in self.devices) if "GPU" in self.device else None

    def close(self) -> None:
        """Do nothing: all replicas are in this process."""


def replica_number() -> int:
    """Return the number of the replica whose step is traced, counted from 0."""
    return int(tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group))
