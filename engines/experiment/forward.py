"""The forward pass of the reference convnet in numpy: what both frameworks compute from these weights, without either.

numpy and the standard library only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engines.experiment.recipe import Weights

BATCH = 32
"""Images that go through the network together: 21 MB of windows in the second convolution."""

Floats = npt.NDArray[np.float32]


def forward(weights: Weights, images: npt.NDArray[np.uint8]) -> Floats:
    """Return logits (n, 10) of grey images (n, 28, 28), with dropout off.

    The frameworks add in another order: their logits differ by less than 1e-5. Raises KeyError and ValueError for the weights of
    another network.
    """
    logits = np.empty((len(images), 10), np.float32)
    for first in range(0, len(images), BATCH):
        logits[first : first + BATCH] = _forward_batch(weights, images[first : first + BATCH])
    return logits


def softmax(logits: Floats) -> Floats:
    """Return probabilities (n, 10) of logits (n, 10)."""
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def _forward_batch(weights: Weights, images: npt.NDArray[np.uint8]) -> Floats:
    values = images[..., np.newaxis].astype(np.float32) / np.float32(255)
    values = _relu(_convolve(weights, "conv1", values))
    values = _convolve(weights, "conv2", values)
    values = np.maximum(values[:, ::2], values[:, 1::2])
    values = _relu(np.maximum(values[:, :, ::2], values[:, :, 1::2]))
    values = _relu(_multiply(weights, "dense1", values.reshape(len(values), -1)))
    return _multiply(weights, "dense2", values)


def _convolve(weights: Weights, layer: str, values: Floats) -> Floats:
    """Convolve (n, height, width, in) without padding: each output is the product of a window and the kernel, both flat."""
    height, width, channels, _ = weights[f"{layer}.kernel"].shape
    windows = np.lib.stride_tricks.sliding_window_view(values, (height, width), axis=(1, 2))
    flat = windows.transpose(0, 1, 2, 4, 5, 3).reshape(-1, height * width * channels)
    return _multiply(weights, layer, flat).reshape(*windows.shape[:3], -1)


def _multiply(weights: Weights, layer: str, values: Floats) -> Floats:
    """Multiply (n, in) by the layer's kernel, which is flattened to (in, out), and add its bias."""
    kernel = weights[f"{layer}.kernel"]
    product: Floats = values @ kernel.reshape(-1, kernel.shape[-1])
    product += weights[f"{layer}.bias"]
    return product


def _relu(values: Floats) -> Floats:
    return np.maximum(values, 0, out=values)
