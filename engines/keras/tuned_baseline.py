"""The loop that an expert in Keras on TensorFlow would write for this one model: all digits resident, an epoch in one graph.

It has the engine's network, batch size and optimizer, but no events, commands or checkpoints. The mirror file is
engines/pytorch/tuned_baseline.py.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from engines.data import Digits


class Script:
    """One model, trained and tested on resident tensors."""

    def __init__(self, digits: Digits) -> None:
        self.x, self.test = (
            tf.constant(images[..., None] / 255, tf.float32) for images in (digits.train_images, digits.test_images)
        )
        self.y, self.test_y = (tf.constant(labels, tf.int64) for labels in (digits.train_labels, digits.test_labels))
        layers = keras.layers
        self.model = keras.Sequential([
            keras.Input((28, 28, 1)), layers.Conv2D(32, 3, activation="relu"), layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2), layers.Dropout(0.25), layers.Flatten(), layers.Dense(128, activation="relu"),
            layers.Dropout(0.5), layers.Dense(10),
        ])  # fmt: skip
        self.optimizer = keras.optimizers.Adadelta(1.0, rho=0.95, epsilon=1e-7)
        self.optimizer.build(self.model.trainable_variables)

    def warm_up(self) -> None:
        """Train ten steps and evaluate, which traces everything."""
        float(self._train(tf.constant(min(1280, len(self.x)))))
        self.evaluate()

    def train(self) -> None:
        """Train one epoch."""
        float(self._train(tf.constant(len(self.x))))

    @tf.function
    def _train(self, count: tf.Tensor) -> tf.Tensor:
        order, loss_sum = tf.random.shuffle(tf.range(count)), 0.0
        for first in tf.range(0, count, 128):
            indices = order[first : first + 128]
            with tf.GradientTape() as tape:
                logits = self.model(tf.gather(self.x, indices), training=True)
                losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather(self.y, indices), logits)
                loss = tf.reduce_mean(losses)
            self.optimizer.apply(tape.gradient(loss, self.model.trainable_variables), self.model.trainable_variables)
            loss_sum += tf.reduce_sum(losses)
        return loss_sum

    @tf.function
    def _forward(self, images: tf.Tensor) -> tf.Tensor:
        return self.model(images, training=False)

    def evaluate(self) -> None:
        """Evaluate the test digits."""
        logits = tf.concat([self._forward(self.test[i : i + 1000]) for i in range(0, len(self.test), 1000)], axis=0)
        float(tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(self.test_y, logits)))
        int(tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1) == self.test_y, tf.int32)))
