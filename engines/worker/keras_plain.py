"""The plain script that our Keras engine is measured against: keras-io's mnist_convnet, with the reference's model and optimizer.

As its authors write it: numpy arrays, one-hot labels, `model.fit`. Not slowed, not tuned; jit_compile is
off, for XLA is slower on a CPU.
"""

from __future__ import annotations

import time

import keras
import numpy as np

from engines.data import Digits


def train_seconds(digits: Digits) -> float:
    """Seconds of one epoch over the digits, after a warm-up of ten steps."""
    x_train = np.expand_dims(digits.train_images.astype("float32") / 255, -1)
    y_train = keras.utils.to_categorical(digits.train_labels, 10)
    model = keras.Sequential(
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
    model.compile(loss="categorical_crossentropy", optimizer=optimizer, metrics=["accuracy"], jit_compile=False)
    model.fit(x_train[:1280], y_train[:1280], batch_size=128, epochs=1, verbose=0)
    before = time.perf_counter()
    model.fit(x_train, y_train, batch_size=128, epochs=1, verbose=0)
    return time.perf_counter() - before
