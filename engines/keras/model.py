"""The network: two convolutions, a pool and two dense layers. The mirror file is engines/pytorch/model.py."""

from __future__ import annotations

from typing import Any

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


def layer_outputs(model: keras.Sequential, images: Any) -> list[Any]:
    """Return conv1, conv2 and dense1 after their relu and pool, and the logits, for images (n, 28, 28, 1) in 0..1."""
    outputs = []
    for layer in model.layers:
        if not isinstance(layer, keras.layers.Dropout):  # it is off
            images = layer(images)
        if isinstance(layer, keras.layers.ReLU) or getattr(layer, "activation", None) is keras.activations.relu:
            outputs.append(images)
    return [*outputs, images]
