"""Read MNIST from files, without trusting their contents.

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


def read(copy: DatasetCopy) -> Digits:
    """Read a copy of the digits; the app's own must be the published one. Raises DataError naming the file."""
    if copy.origin == "cache" and not is_published(copy.path):
        raise DataError(f"{copy.path} does not hold the published files.", _HINT)
    arrays = _read_npz(copy.path) if copy.kind == "npz" else _read_folder(copy)
    train_images, train_labels, test_images, test_labels = arrays
    for images, labels, half in ((train_images, train_labels, "training"), (test_images, test_labels, "test")):
        if len(images) != len(labels):
            message = f"{copy.path} holds {len(images):,} {half} images but {len(labels):,} labels."
            raise DataError(message, _HINT)
        if len(labels) == 0 or labels.max() > 9:
            raise DataError(f"{copy.path} holds {half} labels that are not 0 to 9.", _HINT)
    digits = Digits(*arrays, dataset="mnist", source=str(copy.path))
    published = copy.origin == "cache" or digits.sha256 == MNIST_SHA256
    return digits if published else replace(digits, dataset="custom")


def _read_folder(copy: DatasetCopy) -> tuple[Array, Array, Array, Array]:
    train_images, train_labels, test_images, test_labels = (_read_part(copy, name) for name in IDX_FILES)
    return train_images, train_labels, test_images, test_labels


def _read_part(copy: DatasetCopy, name: str) -> Array:
    """Read the first complete file: an interrupted unpacking leaves a cut file beside the .gz. Raises DataError."""
    reasons = []
    for path in copy.candidates(name):
        try:
            return read_idx(path, dimensions=3 if "images" in name else 1)
        except DataError as error:
            reasons.append(error.message)
    raise DataError(" ".join(reasons) or f"{copy.path} holds no {name}.", _HINT)


def read_idx(path: Path, dimensions: int) -> Array:
    """Read the unsigned bytes of an IDX file, plain or gzipped whatever its name: (n, 28, 28) or (n,). Raises DataError."""
    header_size = 4 + 4 * dimensions
    content = bytearray()
    try:
        with open(path, "rb") as raw:
            zipped = raw.peek(2)[:2] == _GZIP_MAGIC  # a browser may unpack a .gz and not rename it
            with gzip.GzipFile(fileobj=raw) if zipped else raw as file:
                _append(file, content, header_size)
                shape = _shape(bytes(content), dimensions, path)
                size = header_size + math.prod(shape)
                complete = _append(file, content, size + 1)  # one more, to see whether the file is too long
    except (OSError, zlib.error) as error:
        raise DataError(f"{path} can't be read: {error}.", _HINT) from error
    if len(content) < size:
        holds = "unpacks to" if zipped else "holds"
        raise DataError(f"{path} is cut short: it {holds} {len(content):,} of {size:,} bytes.", _HINT)
    if len(content) > size:
        raise DataError(f"{path} is longer than its header says.", _HINT)
    if not complete:
        raise DataError(f"{path} is cut short: its checksum is missing.", _HINT)
    return np.frombuffer(content, np.uint8, offset=header_size).reshape(shape)  # writable, as PyTorch wants it


def _shape(header: bytes, dimensions: int, path: Path) -> tuple[int, ...]:
    """Return the shape that an IDX file's header declares. Raises DataError when it is not MNIST's."""
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
    """Read until `content` has `size` bytes or the file ends; False when a .gz is cut short."""
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
    except Exception as error:  # zipfile, zlib and numpy raise many kinds for a damaged file
        raise DataError(f"{path} can't be read as Keras' mnist.npz: {error}.", _HINT) from error
    return arrays[0], arrays[1], arrays[2], arrays[3]


def _read_member(archive: zipfile.ZipFile, name: str, dimensions: int, path: Path) -> Array:
    """Read one array; check its header before unpacking any data, and never load a pickle. Raises DataError."""
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
