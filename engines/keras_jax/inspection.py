"""The values inside the network for one digit, and the gradients of a batch. The mirror file is engines/keras/inspection.py."""

from __future__ import annotations

import jax
import keras
import numpy as np
import numpy.typing as npt
from jax import Array, numpy as jnp

from engines.experiment.activations import Activations
from engines.experiment.recipe import Weights
from engines.keras.base import loss_and_correct, scale, to_device
from engines.keras.model import layer_outputs
from engines.keras.state import layers
from engines.keras_jax.engine import Engine


def inspect(engine: Engine, image: npt.NDArray[np.uint8]) -> Activations:
    """Return the values of each layer for a grey image (28, 28), with dropout off; training is not disturbed."""

    def largest_logit(pixels: Array) -> tuple[Array, list[Array]]:
        outputs = layer_outputs(engine.model, pixels)
        return jnp.max(outputs[-1]).astype(jnp.float32), outputs

    with keras.device(engine.device):
        pixels = scale(jnp.asarray(image[None, ..., None]))
        saliency, outputs = jax.grad(largest_logit, has_aux=True)(pixels)
    first = layers(engine.model)[0][1]
    values = [value[0] for value in (*outputs, saliency[..., 0])] + [first.kernel[:, :, 0], first.bias.value]
    return Activations(*(np.asarray(value, np.float32) for value in values))


def gradients(engine: Engine, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> Weights:
    """Return the gradients of the mean loss of grey images (n, 28, 28), labels (n,), in the canonical layout, with dropout off."""
    parameters, others, *_ = ([variable.value for variable in group] for group in engine.state_variables())

    def mean_loss(parameters: list[Array]) -> Array:
        logits, _ = engine.forward(parameters, others, scale(inputs), training=False)
        return jnp.mean(loss_and_correct(logits.astype(jnp.float32), targets)[0])

    with keras.device(engine.device):
        inputs, targets = to_device(images, labels)
        found = iter(jax.grad(mean_loss)(parameters))
    return {
        f"{name}.{kind}": np.asarray(next(found)) for name, _ in layers(engine.model) for kind in ("kernel", "bias")
    }
