"""The recipe that makes all engines one experiment: initial weights, order of digits, learning rates and metrics.

numpy and the standard library only.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from engines.config import TrainConfig

Weights = dict[str, npt.NDArray[np.float32]]
"""Layer parameters by name, in one canonical layout.

Convolution kernels are (height, width, in, out), dense kernels (in, out); the features of the first dense layer are flattened in
(height, width, channel) order."""

KERNELS: dict[str, tuple[int, ...]] = {
    "conv1": (3, 3, 1, 32),
    "conv2": (3, 3, 32, 64),
    "dense1": (12 * 12 * 64, 128),
    "dense2": (128, 10),
}
"""The reference convnet: 1,199,882 parameters with the biases."""

LAYERS = ("conv1", "conv2", "pool", "dropout1", "flatten", "dense1", "dropout2", "dense2")
"""The reference's layers in forward order; an activation belongs to the layer before it."""


class Affine(NamedTuple):
    """The limits of augmentation; each change is drawn uniformly between minus and plus its limit."""

    degrees: float
    """Rotation in degrees."""
    shift: float
    """Translation as a fraction of the image's side."""
    zoom: float
    """Change of size as a fraction."""
    shear: float
    """Horizontal shear as a fraction of the image's height."""


AFFINE = Affine(degrees=10.0, shift=0.07, zoom=0.1, shear=0.1)

WARM_UP_FRACTION = 0.2
"""The fraction of a one-cycle run in which the learning rate rises."""


def initial_weights(seed: int) -> Weights:
    """Draw Glorot-uniform kernels from the seed; biases are zero.

    U(-a, a) with a = sqrt(6 / (fan_in + fan_out)): Glorot & Bengio 2010, equation 16; the default of Keras' layers.
    """
    random = np.random.default_rng([seed, 0])
    weights: Weights = {}
    for layer, shape in KERNELS.items():
        receptive_field = int(np.prod(shape[:-2]))
        limit = np.sqrt(6.0 / (receptive_field * (shape[-2] + shape[-1])))
        weights[f"{layer}.kernel"] = random.uniform(-limit, limit, shape).astype(np.float32)
        weights[f"{layer}.bias"] = np.zeros(shape[-1], np.float32)
    return weights


def layer_parameters() -> tuple[tuple[str, int], ...]:
    """Return (layer, number of parameters) in forward order."""
    return tuple((layer, int(np.prod(shape)) + shape[-1]) for layer, shape in KERNELS.items())


def layer_norm(arrays: Mapping[str, npt.NDArray[Any]], layer: str) -> float:
    """Return the L2 norm over a layer's kernel and bias, or over whatever the arrays hold under the layer's name."""
    parts = (value for name, value in arrays.items() if name.partition(".")[0] == layer)
    return math.sqrt(sum(float(np.square(part, dtype=np.float64).sum()) for part in parts))


def epoch_order(seed: int, epoch: int, train_size: int) -> npt.NDArray[np.int64]:
    """Draw the epoch's permutation of the training digits from the seed, shape (train_size,)."""
    return np.random.default_rng([seed, 1, epoch]).permutation(train_size).astype(np.int64)


def order_sha256(order: npt.NDArray[np.int64]) -> str:
    """Return the SHA-256 of the permutation as little-endian int64."""
    return hashlib.sha256(order.astype("<i8").tobytes()).hexdigest()


def learning_rates(config: TrainConfig, epoch: int, steps_per_epoch: int) -> npt.NDArray[np.float32]:
    """Return the learning rate of every step of the epoch, shape (steps_per_epoch,).

    "cosine" falls from the peak to 0 along half a cosine (Loshchilov & Hutter 2017, equation 5, without restarts). "one-cycle"
    first rises linearly to the peak for a fifth of the run, then falls like "cosine" (after Smith & Topin 2018).
    """
    done = (np.arange(steps_per_epoch) + (epoch - 1) * steps_per_epoch) / (steps_per_epoch * config.epochs)
    if config.schedule == "constant":
        factor = np.ones_like(done)
    elif config.schedule == "cosine":
        factor = 0.5 * (1 + np.cos(np.pi * done))
    else:
        rising = (done + 1 / (steps_per_epoch * config.epochs)) / WARM_UP_FRACTION
        falling = 0.5 * (1 + np.cos(np.pi * (done - WARM_UP_FRACTION) / (1 - WARM_UP_FRACTION)))
        factor = np.where(done < WARM_UP_FRACTION, rising, falling)
    return (config.learning_rate * np.minimum(factor, 1.0)).astype(np.float32)


def has_diverged(loss: float) -> bool:
    """Return whether a mean loss is not finite, or more than ten times that of guessing, which is ln 10."""
    return not math.isfinite(loss) or loss > 10 * math.log(10)


def mean_cross_entropy(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8]) -> float:
    """Return the mean of -log softmax(logits)[label] over n digits; logits (n, 10), labels (n,)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(log_total - shifted[np.arange(len(labels)), labels]))


def confusion(labels: npt.NDArray[np.uint8], predicted: npt.NDArray[np.int64]) -> tuple[int, ...]:
    """Count each pair of true and predicted label: 100 counts, row-major, true label x predicted label."""
    return tuple(np.bincount(labels.astype(np.int64) * 10 + predicted, minlength=100).tolist())
