"""Digits for tests: files in MNIST's formats, and random images."""

from __future__ import annotations

import gzip
import os
import struct
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from engines.data import DatasetCopy, Digits
from engines.data.readers import read

REAL_MNIST = os.environ.get("MNIST_TUI_DATA", "")
FIXED_DIGITS = Path(__file__).parents[1] / "data" / "runs" / "digits"
"""A folder of 64 training and 32 test digits in the repository, which no change of the drawing changes."""


def write_idx(folder: Path, images: Any, labels: Any, part: str, *, zipped: bool = True) -> None:
    """Write one half of a data set in MNIST's format."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
        content = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
        else:
            (folder / name).write_bytes(content)


def random_digits(count: int) -> tuple[Any, Any]:
    """Return random images and labels."""
    random = np.random.default_rng(0)
    return random.integers(0, 256, (count, 28, 28), np.uint8), random.integers(0, 10, count).astype(np.uint8)


@cache
def load_fixed_digits() -> Digits:
    """Read the digits of FIXED_DIGITS."""
    return read(DatasetCopy("idx", FIXED_DIGITS, "--data-dir"))
