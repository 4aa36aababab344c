"""The values inside the network for one digit, and the gradients of a batch. The mirror file is engines/pytorch/inspection.py."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from engines.experiment.activations import Activations
from engines.experiment.recipe import Weights
from engines.keras.engine import Engine, scale
from engines.keras.model import layer_outputs
from engines.keras.state import layers


def inspect(engine: Engine, image: npt.NDArray[np.uint8]) -> Activations:
    """Return the values of each layer for a grey image (28, 28), with dropout off; training is not disturbed."""
    with tf.device(engine.device), tf.GradientTape() as tape:
        pixels = scale(tf.constant(image[None, ..., None]))
        tape.watch(pixels)
        *outputs, logits = layer_outputs(engine.model, pixels)
        largest = tf.reduce_max(logits)
    with tf.device(engine.device):
        saliency = tape.gradient(largest, pixels)
        first = layers(engine.model)[0][1]
        values = [value[0] for value in (*outputs, logits, saliency[..., 0])]
        values += [first.kernel[:, :, 0], first.bias]
        return Activations(*(tf.cast(value, tf.float32).numpy() for value in values))


def gradients(engine: Engine, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> Weights:
    """Return the gradients of the mean loss of grey images (n, 28, 28), labels (n,), in the canonical layout, with dropout off."""
    with tf.device(engine.device), tf.GradientTape() as tape:
        logits = tf.cast(engine.model(scale(tf.constant(images[..., None])), training=False), tf.float32)
        targets = tf.constant(labels.astype(np.int64))
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits))
    found = iter(tape.gradient(loss, engine.model.trainable_variables))
    return {f"{name}.{kind}": next(found).numpy() for name, _ in layers(engine.model) for kind in ("kernel", "bias")}
