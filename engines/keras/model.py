"""The network: two convolutions, a pool and two dense layers. The mirror file is engines/pytorch/model.py."""

from __future__ import annotations

import keras


def build_model(dropout: float) -> keras.Sequential:
    """Build the reference convnet, layer by layer; its softmax is part of the loss."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            keras.layers.Conv2D(32, kernel_size=3, activation="relu"),
            keras.layers.Conv2D(64, kernel_size=3),
            keras.layers.MaxPooling2D(2),
            keras.layers.ReLU(),  # equal to relu before the pool, because both are monotone, and a quarter of the work
            keras.layers.Dropout(dropout),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dropout(2 * dropout),
            keras.layers.Dense(10),
        ]
    )
