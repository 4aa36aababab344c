"""The forward pass of the reference convnet in numpy: what both frameworks compute from these weights, without either.

numpy and the standard library only.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from engines.experiment.activations import Activations
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


def inspect(weights: Weights, image: npt.NDArray[np.uint8]) -> Activations:
    """Return the values of each layer for a grey image (28, 28). Raises KeyError and ValueError for another network's weights."""
    pixels = image[np.newaxis, ..., np.newaxis].astype(np.float32) / np.float32(255)
    conv1 = _relu(_convolve(weights, "conv1", pixels))
    before_pool = _convolve(weights, "conv2", conv1)
    conv2 = _relu(_pool(before_pool))
    dense1 = _relu(_multiply(weights, "dense1", conv2.reshape(1, -1)))
    logits = _multiply(weights, "dense2", dense1)

    gradient = weights["dense2.kernel"][:, logits[0].argmax()] * (dense1[0] > 0)
    gradient = (weights["dense1.kernel"] @ gradient).reshape(conv2.shape) * (conv2 > 0)
    gradient = _convolve_back(weights, "conv2", _pool_back(before_pool, gradient)) * (conv1 > 0)
    saliency = _convolve_back(weights, "conv1", gradient)
    first = weights["conv1.kernel"][:, :, 0], weights["conv1.bias"]
    return Activations(conv1[0], conv2[0], dense1[0], logits[0], saliency[0, ..., 0], *first)


def _forward_batch(weights: Weights, images: npt.NDArray[np.uint8]) -> Floats:
    values = images[..., np.newaxis].astype(np.float32) / np.float32(255)
    values = _relu(_convolve(weights, "conv1", values))
    values = _relu(_pool(_convolve(weights, "conv2", values)))
    values = _relu(_multiply(weights, "dense1", values.reshape(len(values), -1)))
    return _multiply(weights, "dense2", values)


def _pool(values: Floats) -> Floats:
    """Return the largest of each 2x2 values of (n, height, width, channels)."""
    values = np.maximum(values[:, ::2], values[:, 1::2])
    pooled: Floats = np.maximum(values[:, :, ::2], values[:, :, 1::2])
    return pooled


def _pool_back(values: Floats, gradient: Floats) -> Floats:
    """Pass the gradient (n, height, width, channels) of `_pool(values)` on to the first largest value of each 2x2."""
    n, height, width, channels = gradient.shape
    windows = values.reshape(n, height, 2, width, 2, channels).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 4)
    passed = np.zeros_like(windows)
    passed[np.arange(len(windows)), windows.argmax(axis=1)] = gradient.ravel()
    back = passed.reshape(n, height, width, channels, 2, 2).transpose(0, 1, 4, 2, 5, 3)
    return back.reshape(values.shape)


def _convolve_back(weights: Weights, layer: str, gradient: Floats) -> Floats:
    """Return the gradient of the layer's inputs, (n, height + 2, width + 2, in), from that of its outputs."""
    n, height, width, _ = gradient.shape
    kernel = weights[f"{layer}.kernel"]
    back = np.zeros((n, height + kernel.shape[0] - 1, width + kernel.shape[1] - 1, kernel.shape[2]), np.float32)
    for y, x in np.ndindex(*kernel.shape[:2]):
        back[:, y : y + height, x : x + width] += gradient @ kernel[y, x].T
    return back


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
