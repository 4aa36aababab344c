"""The Keras engine on several devices at once, by tf.distribute.MirroredStrategy. Its twin is pytorch_parallel.py.

Each replica holds the whole model and trains on its contiguous share of every batch; before each step the gradients of all are
summed, and so every replica makes the step that one device would make.
"""

from __future__ import annotations

import dataclasses

import tensorflow as tf
from tensorflow import Tensor

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.arrays import Arrays
from engines.experiment.recipe import Weights
from engines.keras.engine import Engine, device_name, scale


class ParallelEngine(Engine):
    """Trains on all devices of a comma list; evaluates and answers on the first."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights) -> None:
        names = config.device.split(",")
        self.devices = [f"/CPU:{i}" if name == "cpu" else device_name(name) for i, name in enumerate(names)]
        # 5 MB of gradients are soon copied; TensorFlow's collectives know one list of devices in the life of a process.
        self.strategy = tf.distribute.MirroredStrategy(self.devices, tf.distribute.ReductionToOneDevice())
        with self.strategy.scope():
            super().__init__(dataclasses.replace(config, device=names[0]), digits, weights)
        self.copies = []
        for device in self.devices:
            with tf.device(device):
                self.copies.append((tf.identity(self.train_images), tf.identity(self.train_labels)))
        for states in self.random_states():
            for replica, state in enumerate(states):
                state.assign_add([replica, 0])  # or all would drop the same units

    # Data

    def batch(self, step: Tensor) -> tuple[Tensor, Tensor]:
        """This replica's share of the step's images and labels; of an empty share one image, for oneDNN can't do with none."""
        replica = tf.get_static_value(tf.distribute.get_replica_context().replica_id_in_sync_group)
        images, labels = self.copies[replica]
        whole = self.order[step * self.batch_size : (step + 1) * self.batch_size]
        size, replicas = tf.size(whole), len(self.devices)
        first, last = size * replica // replicas, size * (replica + 1) // replicas
        seen = whole[first : tf.maximum(last, first + 1)]
        return scale(tf.gather(images, seen)), tf.gather(labels, whole[first:last])

    # Train

    @tf.function(jit_compile=False)
    def _train_steps(self, first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        loss_sum = tf.zeros((), tf.float64)
        correct = tf.zeros(())
        for step in tf.range(first, last):
            self.optimizer.learning_rate.assign(self.rates[step])
            size = tf.minimum(self.batch_size, tf.size(self.order) - tf.cast(step, tf.int32) * self.batch_size)
            losses, right = self.strategy.run(self.replica_step, args=(step, tf.cast(size, tf.float32)))
            loss_sum += self.strategy.reduce("SUM", losses, axis=None)
            correct += self.strategy.reduce("SUM", right, axis=None)
        return loss_sum, correct

    def replica_step(self, step: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
        """One replica's part of a step on `size` digits; returns its sum of losses and its number of right answers."""
        images, labels = self.batch(step)
        images = self.augment(images, training=True)
        with tf.GradientTape() as tape:
            logits = tf.cast(self.model(images, training=True), tf.float32)[: tf.size(labels)]
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_sum(losses) / size  # the shares' gradients add up to that of the whole batch's mean
        gradients = tape.gradient(loss, self.model.trainable_variables)
        self.optimizer.apply(gradients, self.model.trainable_variables)
        right = tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1) == labels, tf.float32))
        return tf.cast(tf.reduce_sum(losses), tf.float64), right

    # Checkpoint

    def state(self) -> Arrays:
        """That of one device, and the random state of the other replicas."""
        others = {
            f"random.{i}.{replica}": state.numpy()
            for i, states in enumerate(self.random_states())
            for replica, state in enumerate(states)
            if replica
        }
        return super().state() | others

    def load_state(self, state: Arrays) -> None:
        """Take what `state` gave; replicas that it does not know go on from the first one's random state, each in its own way."""
        super().load_state(state)
        for i, states in enumerate(self.random_states()):
            for replica, own in enumerate(states):
                if replica:
                    own.assign(state.get(f"random.{i}.{replica}", state[f"random.{i}"] + [replica, 0]))

    def random_states(self) -> list[tuple[tf.Variable, ...]]:
        """Of each random variable, what it is on every replica: a step in one leaves the others as they are."""
        return [self.strategy.experimental_local_results(variable.value) for variable in self.random_variables()]

    # The device

    def device_memory_bytes(self) -> int | None:
        """What TensorFlow's allocators hold on all its GPUs; None on a CPU."""
        if "GPU" not in self.device:
            return None
        held = [tf.config.experimental.get_memory_info(device.strip("/"))["current"] for device in self.devices]
        return int(sum(held))

    def close(self) -> None:
        """Nothing to end: all replicas are in this process."""
