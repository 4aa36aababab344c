"""Reading MNIST from files, trusting nothing in them.

The IDX format: two zero bytes, a type code (8 for unsigned bytes), the number of dimensions, each dimension as a big-endian
32-bit number, then the bytes (Y. LeCun, "The MNIST database of handwritten digits").
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy

from engines.data.dataset import DataError, Digits
from engines.data.download import is_published
from engines.data.sources import IDX_FILES, DatasetCopy

Array = npt.NDArray[np.uint8]

MAX_COUNT = 1_000_000
"""More digits than this is not MNIST; bounds what a hostile gzip file can make us allocate."""

MNIST_SHA256 = "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16"
"""`Digits.sha256` of the four files as published, whose MD5 sums are in download.py."""

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 16
_HINT = "Replace the file, or point --data-dir at another copy."


def read(found: DatasetCopy) -> Digits:
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
    digits = Digits(*arrays, dataset="mnist", source=str(found.path))
    published = found.origin == "cache" or digits.sha256 == MNIST_SHA256
    return digits if published else replace(digits, dataset="custom")


def _read_folder(found: DatasetCopy) -> tuple[Array, Array, Array, Array]:
    train_images, train_labels, test_images, test_labels = (_read_part(found, part) for part in IDX_FILES)
    return train_images, train_labels, test_images, test_labels


def _read_part(found: DatasetCopy, part: str) -> Array:
    """Read the first file of that part that is whole: an interrupted unpacking leaves a cut one beside the .gz."""
    reasons = []
    for path in found.files_of(part):
        try:
            return read_idx(path, dimensions=3 if "images" in part else 1)
        except DataError as error:
            reasons.append(error.message)
    raise DataError(" ".join(reasons) or f"{found.path} holds no {part}.", _HINT)


def read_idx(path: Path, dimensions: int) -> Array:
    """The unsigned bytes in an IDX file, plain or gzipped whatever its name: shape (n, 28, 28) or (n,). Raises DataError."""
    header_size = 4 + 4 * dimensions
    content = bytearray()
    try:
        with open(path, "rb") as raw:
            zipped = raw.peek(2)[:2] == _GZIP_MAGIC  # a browser that unpacks a .gz may leave it its name
            with gzip.GzipFile(fileobj=raw) if zipped else raw as file:
                _append(file, content, header_size)
                shape = _shape(bytes(content), dimensions, path)
                size = header_size + math.prod(shape)
                ended = _append(file, content, size + 1)  # one more than allowed, to see whether there is more
    except (OSError, zlib.error) as error:
        raise DataError(f"{path} can't be read: {error}.", _HINT) from error
    if len(content) < size:
        holds = "unpacks to" if zipped else "holds"
        raise DataError(f"{path} is cut short: it {holds} {len(content):,} of {size:,} bytes.", _HINT)
    if len(content) > size:
        raise DataError(f"{path} is longer than it says.", _HINT)
    if not ended:
        raise DataError(f"{path} is cut short: its checksum is missing.", _HINT)
    return np.frombuffer(content, np.uint8, offset=header_size).reshape(shape)  # writable, as PyTorch wants it


def _shape(header: bytes, dimensions: int, path: Path) -> tuple[int, ...]:
    """The shape that an IDX file's header declares. Raises DataError when it is not MNIST's."""
    if not header:
        raise DataError(f"{path} is empty.", _HINT)
    if not bytes((0, 0, 8, dimensions)).startswith(header[:4]):
        raise DataError(f"{path} is not an IDX file of MNIST.", _HINT)
    if len(header) < 4 + 4 * dimensions:
        raise DataError(f"{path} is cut short: it ends in its header.", _HINT)
    shape = struct.unpack(f">{dimensions}I", header[4:])
    if not 0 < shape[0] <= MAX_COUNT or shape[1:] not in ((), (28, 28)):
        raise DataError(f"{path} has the shape {shape}, which is not MNIST's.", _HINT)
    return shape


def _append(file: io.BufferedIOBase, content: bytearray, size: int) -> bool:
    """Read until there are `size` bytes; returns whether the file goes on or ends as it should, not cut as a .gz may be."""
    try:
        while len(content) < size and (chunk := file.read1(min(size - len(content), _CHUNK))):
            content += chunk
    except EOFError:
        return False
    return True


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
