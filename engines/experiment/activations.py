"""The values inside the reference convnet for one digit, in one layout for all frameworks, and as text for the pipe."""

from __future__ import annotations

import base64
import math
import zlib
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


class Activations(NamedTuple):
    """The values of each layer for one digit, with dropout off, and what made the first; maps are (height, width, channel)."""

    conv1: Floats
    """The maps of the first convolution after its relu, shape (26, 26, 32)."""
    conv2: Floats
    """The maps of the second convolution after pool and relu, shape (12, 12, 64)."""
    dense1: Floats
    """The units of the first dense layer after its relu, shape (128,)."""
    logits: Floats
    """The ten outputs before softmax, shape (10,)."""
    saliency: Floats
    """The gradient of the largest logit by the pixels, which are 0 to 1, shape (28, 28): Simonyan et al. 2013, section 3."""
    kernels: Floats
    """The kernels of the first convolution, shape (3, 3, 32)."""
    biases: Floats
    """The biases of the first convolution, shape (32,)."""


SHAPES: dict[str, tuple[int, ...]] = {
    "conv1": (26, 26, 32), "conv2": (12, 12, 64), "dense1": (128,), "logits": (10,), "saliency": (28, 28),
    "kernels": (3, 3, 32), "biases": (32,),
}  # fmt: skip


def encode_activations(activations: Activations) -> str:
    """Encode as text, exactly: float32, compressed by byte planes. Some 50 kB, because most pixels of a digit are blank.

    Raises ValueError for other shapes, as another network than the reference's has.
    """
    for name, values in zip(SHAPES, activations, strict=True):
        if values.shape != SHAPES[name]:
            raise ValueError(f"{name} has the shape {values.shape}, and Inside shows {SHAPES[name]}")
    flat = np.concatenate([values.ravel() for values in activations]).astype("<f4")
    planes = flat.view(np.uint8).reshape(-1, 4).T
    return base64.b64encode(zlib.compress(planes.tobytes(), 1)).decode("ascii")


def decode_activations(text: str) -> Activations:
    """Decode what `encode_activations` returned. Raises ValueError for any other text."""
    sizes = [math.prod(shape) for shape in SHAPES.values()]
    total = sum(sizes)
    try:
        data = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), 4 * total + 1)
    except zlib.error as error:
        raise ValueError(f"not compressed: {error}") from error
    if len(data) != 4 * total:
        raise ValueError(f"{len(data)} bytes instead of {4 * total}")
    flat = np.frombuffer(data, np.uint8).reshape(4, total).T.copy().view("<f4").ravel().astype(np.float32)
    parts = np.split(flat, np.cumsum(sizes)[:-1])
    return Activations(*(part.reshape(shape) for part, shape in zip(parts, SHAPES.values(), strict=True)))


def largest_difference(a: Floats, b: Floats) -> float:
    """Return the largest absolute difference of two arrays of one shape; NaN where a value is."""
    return float(np.abs(a - b).max())
