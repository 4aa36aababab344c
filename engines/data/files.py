"""Reading MNIST from files, trusting nothing in them.

The IDX format: two zero bytes, a type code (8 for unsigned bytes), the number of dimensions, each dimension as a big-endian
32-bit number, then the bytes (Y. LeCun, "The MNIST database of handwritten digits").
"""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from engines.data.digits import DataError, Digits
from engines.data.download import is_published
from engines.data.sources import PARTS, Found

Array = npt.NDArray[np.uint8]

MAX_COUNT = 1_000_000
"""More digits than this is not MNIST; bounds what a hostile gzip file can make us allocate."""

_HINT = "Replace the file, or point --data-dir at another copy."


def read(found: Found) -> Digits:
    """The digits of a copy that was found; our own must be what was published. Raises DataError naming the file."""
    if found.origin == "cache" and not is_published(found.path):
        raise DataError(f"{found.path} does not hold the published files.", _HINT)
    arrays = _read_npz(found.path) if found.kind == "npz" else _read_folder(found)
    train_images, train_labels, test_images, test_labels = arrays
    for images, labels, what in ((train_images, train_labels, "training"), (test_images, test_labels, "test")):
        if len(images) != len(labels):
            message = f"{found.path} holds {len(images):,} {what} images but {len(labels):,} labels."
            raise DataError(message, _HINT)
        if len(labels) == 0 or labels.max() > 9:
            raise DataError(f"{found.path} holds {what} labels that are not 0 to 9.", _HINT)
    return Digits(*arrays, dataset="mnist", source=str(found.path))


def _read_folder(found: Found) -> tuple[Array, Array, Array, Array]:
    arrays = []
    for part in PARTS:
        path = found.file_of(part)
        if path is None:
            raise DataError(f"{found.path} holds no {part}.", _HINT)
        arrays.append(read_idx(path, dimensions=3 if "images" in part else 1))
    return arrays[0], arrays[1], arrays[2], arrays[3]


def read_idx(path: Path, dimensions: int) -> Array:
    """The unsigned bytes in an IDX file, plain or .gz: shape (n, 28, 28) or (n,). Raises DataError."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            header = file.read(4 + 4 * dimensions)
            if len(header) < 4 + 4 * dimensions or header[:4] != bytes((0, 0, 8, dimensions)):
                raise DataError(f"{path} is not an IDX file of MNIST.", _HINT)
            shape = struct.unpack(f">{dimensions}I", header[4:])
            if not 0 < shape[0] <= MAX_COUNT or shape[1:] not in ((), (28, 28)):
                raise DataError(f"{path} has the shape {shape}, which is not MNIST's.", _HINT)
            size = math.prod(shape)
            content = file.read(size + 1)  # one more than allowed, to see whether there is more
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} can't be read: {error}.", _HINT) from error
    if len(content) != size:
        what = "is cut short" if len(content) < size else "is longer than it says"
        raise DataError(f"{path} {what}.", _HINT)
    return np.frombuffer(bytearray(content), np.uint8).reshape(shape)  # writable, as PyTorch wants it


def _read_npz(path: Path) -> tuple[Array, Array, Array, Array]:
    members = (("x_train", 3), ("y_train", 1), ("x_test", 3), ("y_test", 1))
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = [_read_member(archive, name, dimensions, path) for name, dimensions in members]
    except DataError:
        raise
    except Exception as error:  # zipfile, zlib and numpy have many ways to say that a file is damaged
        raise DataError(f"{path} can't be read as Keras' mnist.npz: {error}.", _HINT) from error
    return arrays[0], arrays[1], arrays[2], arrays[3]


def _read_member(archive: zipfile.ZipFile, name: str, dimensions: int, path: Path) -> Array:
    """One array; its header is judged before any of its bytes is unpacked, and no pickle is ever one of them."""
    with archive.open(f"{name}.npy") as file:
        version = npy.read_magic(file)
        header = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
        shape, fortran_order, dtype = header
        shaped = len(shape) == dimensions and 0 < shape[0] <= MAX_COUNT and shape[1:] in ((), (28, 28))
        if dtype != np.uint8 or fortran_order or not shaped:
            raise DataError(f"{path} holds a {name} that is not MNIST's: {dtype} of the shape {shape}.", _HINT)
        size = math.prod(shape)
        content = file.read(size + 1)
    if len(content) != size:
        raise DataError(f"{path} holds a {name} that is {'cut short' if len(content) < size else 'too long'}.", _HINT)
    return np.frombuffer(bytearray(content), np.uint8).reshape(shape)
