"""The plain script that the Keras engine is measured against: keras-io's mnist_convnet with our model and optimizer.

It is written as its authors write it, neither slowed nor tuned: numpy arrays, one-hot labels, `model.fit`, `model.evaluate`. The
mirror file is engines/pytorch/baseline.py.
"""

from __future__ import annotations

import keras
import numpy as np

from engines.data import Digits


class Script:
    """The example's data, model, fit and evaluate."""

    def __init__(self, digits: Digits) -> None:
        self.x_train = np.expand_dims(digits.train_images.astype("float32") / 255, -1)
        self.x_test = np.expand_dims(digits.test_images.astype("float32") / 255, -1)
        self.y_train = keras.utils.to_categorical(digits.train_labels, 10)
        self.y_test = keras.utils.to_categorical(digits.test_labels, 10)
        self.model = keras.Sequential(
            [
                keras.Input(shape=(28, 28, 1)),
                keras.layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
                keras.layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
                keras.layers.MaxPooling2D(pool_size=(2, 2)),
                keras.layers.Dropout(0.25),
                keras.layers.Flatten(),
                keras.layers.Dense(128, activation="relu"),
                keras.layers.Dropout(0.5),
                keras.layers.Dense(10, activation="softmax"),
            ]
        )
        optimizer = keras.optimizers.Adadelta(1.0, rho=0.95, epsilon=1e-7)
        self.model.compile(loss="categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"])

    def warm_up(self) -> None:
        """Train ten steps and evaluate, which traces everything."""
        self.model.fit(self.x_train[:1280], self.y_train[:1280], batch_size=128, epochs=1, verbose=0)
        self.model.evaluate(self.x_test[:1280], self.y_test[:1280], verbose=0)

    def train(self) -> None:
        """Train one epoch."""
        self.model.fit(self.x_train, self.y_train, batch_size=128, epochs=1, verbose=0)

    def evaluate(self) -> None:
        """Evaluate the test digits."""
        self.model.evaluate(self.x_test, self.y_test, verbose=0)
