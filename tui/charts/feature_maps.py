"""Feature maps as grey images: what a layer answers, map beside map."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

GAP = 1
"""Blank columns of pixels between two maps."""


def maps_of(inside: Any, layer: str) -> Any:
    """Return a layer's values as maps (height, width, n); the units are one map of four rows."""
    values = getattr(inside, layer)
    if layer == "saliency":
        return np.abs(values)[:, :, None]
    return values.reshape(4, 32, 1) if layer == "dense1" else values


def halve(maps: Any) -> Any:
    """Return maps (height, width, n) at half the size: the largest of each 2x2 values."""
    return np.maximum(np.maximum(maps[::2, ::2], maps[1::2, ::2]), np.maximum(maps[::2, 1::2], maps[1::2, 1::2]))


def largest_size(height: int, width: int, rows: int, columns: int) -> float:
    """Return the largest size of a pixel, in columns, at which a map (height, width) fits; 0.5 for halved maps.

    `rows` are rows of the terminal, which hold two pixels. A map that does not fit even when halved is halved and cut off.
    """
    size = min(2 * rows // height, columns // width)
    return size if size >= 1 else 0.5


def highest(arrays: Iterable[Any]) -> float:
    """Return the largest value of all arrays that is a number; 0.0 where none is above it."""
    return max((float(np.nanmax(values, initial=0.0)) for values in arrays), default=0.0)


def maps_image(maps: Any, largest: float) -> Any:
    """Return maps (height, width, n) beside each other, dtype uint8; zero is paper, `largest` and above is ink.

    NaN is ink, too, so that a network that has diverged does not look blank.
    """
    height, width, count = maps.shape
    grey = np.nan_to_num(255 * maps / (largest or 1.0), nan=255, posinf=255, neginf=0).clip(0, 255)
    image = np.zeros((height, count * (width + GAP) - GAP), np.uint8)
    for i in range(count):
        image[:, i * (width + GAP) : i * (width + GAP) + width] = np.rint(grey[:, :, i])
    return image
