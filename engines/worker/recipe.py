"""What makes the two engines one experiment: the same first weights, the same order of digits, one way to count.

numpy and the standard library only.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

Weights = dict[str, npt.NDArray[np.float32]]
"""Layer parameters by name, in one canonical layout: convolution kernels (height, width, in, out), dense kernels (in, out), the
features of the first dense layer flattened in (height, width, channel) order."""

KERNELS: dict[str, tuple[int, ...]] = {
    "conv1": (3, 3, 1, 32),
    "conv2": (3, 3, 32, 64),
    "dense1": (12 * 12 * 64, 128),
    "dense2": (128, 10),
}
"""The reference convnet: 1,199,882 parameters with the biases."""


def initial_weights(seed: int) -> Weights:
    """Glorot-uniform kernels and zero biases, drawn from the seed.

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
    """(layer, parameters) in forward order."""
    return tuple((layer, int(np.prod(shape)) + shape[-1]) for layer, shape in KERNELS.items())


def epoch_order(seed: int, epoch: int, train_size: int) -> npt.NDArray[np.int64]:
    """The permutation of the training digits in that epoch, shape (train_size,)."""
    return np.random.default_rng([seed, 1, epoch]).permutation(train_size).astype(np.int64)


def order_sha256(order: npt.NDArray[np.int64]) -> str:
    """SHA-256 of the permutation as little-endian int64."""
    return hashlib.sha256(order.astype("<i8").tobytes()).hexdigest()


def mean_cross_entropy(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.uint8]) -> float:
    """Mean of -log softmax(logits)[label] over n digits; logits (n, 10), labels (n,)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_total = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(log_total - shifted[np.arange(len(labels)), labels]))


def confusion(labels: npt.NDArray[np.uint8], predicted: npt.NDArray[np.int64]) -> tuple[int, ...]:
    """100 counts, row-major: true label x predicted label."""
    return tuple(np.bincount(labels.astype(np.int64) * 10 + predicted, minlength=100).tolist())


def save_weights(weights: Weights, path: Path) -> None:
    """Write the weights whole or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "wb") as file:
            np.savez(file, **weights)  # type: ignore[arg-type]  # numpy's stub takes no **dict of arrays
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
