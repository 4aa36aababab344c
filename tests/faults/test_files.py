"""Damaged files of digits: at whatever byte, they read as the original or are refused with a reason."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.data import DataError, Digits
from engines.data.readers import read, read_idx
from engines.data.sources import IDX_FILES, DatasetCopy
from tests.support.digits import random_digits, write_idx


def _npz(path: Path, **other: Any) -> DatasetCopy:
    """Write a small mnist.npz in Keras' format, with three digits; `other` replaces some of its arrays."""
    blank = np.zeros((3, 28, 28), np.uint8)
    arrays = {
        "x_train": blank[:2],
        "y_train": np.array([1, 2], np.uint8),
        "x_test": blank[2:],
        "y_test": np.array([3], np.uint8),
    }
    np.savez_compressed(path, **{**arrays, **other})
    return DatasetCopy("npz", path, "--data-dir")


def _flipped(path: Path, bits: Iterable[int]) -> Iterator[int]:
    """Yield each of these bits while it alone is flipped. In place, because truncating a file first takes milliseconds."""
    content = path.read_bytes()
    with open(path, "r+b", buffering=0) as file:
        for bit in bits:
            i = bit // 8
            os.pwrite(file.fileno(), bytes([content[i] ^ 1 << bit % 8]), i)
            yield bit
            os.pwrite(file.fileno(), content[i : i + 1], i)


def _cut(path: Path) -> Iterator[int]:
    """Yield the size of the file while it is cut to that size: from all but one byte to none."""
    for size in reversed(range(path.stat().st_size)):
        os.truncate(path, size)
        yield size


def _reads_same(original: Digits, copy: DatasetCopy) -> bool:
    """Return whether the copy reads as the original; False when it is refused with a message that names the file."""
    try:
        digits = read(copy)
    except DataError as error:
        assert str(copy.path) in error.message
        assert error.hint
        return False
    assert digits.sha256 == original.sha256
    return True


@pytest.mark.fault(
    "data", "each bit of a .gz flipped, in header, body, checksum and length: the same digits, or refused"
)
def test_a_gz_with_any_bit_flipped(tmp_path: Path) -> None:
    write_idx(tmp_path, *random_digits(9), "train")
    path = tmp_path / f"{IDX_FILES[1]}.gz"
    labels, bits, refused = read_idx(path, 1), 8 * path.stat().st_size, 0
    for bit in _flipped(path, range(bits)):
        try:
            assert np.array_equal(read_idx(path, 1), labels), bit
        except DataError as error:
            assert path.name in error.message
            refused += 1
    assert refused > bits - 80, "all but the bits of its time and its system"


@pytest.mark.fault("data", "a .gz cut at each byte")
def test_a_gz_cut_at_any_byte(tmp_path: Path) -> None:
    write_idx(tmp_path, *random_digits(9), "train")
    path = tmp_path / f"{IDX_FILES[1]}.gz"
    for _ in _cut(path):
        with pytest.raises(DataError, match=path.name):
            read_idx(path, 1)


@pytest.mark.fault("data", "an npz cut at each byte, and with a bit of each byte flipped: the same digits, or refused")
def test_an_npz_damaged_at_any_byte(tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    original = read(_npz(path))
    copy, size = DatasetCopy("npz", path, "--data-dir"), path.stat().st_size
    bits = [8 * byte + byte % 8 for byte in range(size)]
    same = [bit for bit in _flipped(path, bits) if _reads_same(original, copy)]
    assert len(same) < size / 2, "the time and the system, twice for each array"
    assert not [left for left in _cut(path) if _reads_same(original, copy)]


def _bomb(path: Path) -> DatasetCopy:
    """Write an npz of a kilobyte that unpacks to fifty million bytes, although its header says two digits."""
    copy = _npz(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content + bytes(50_000_000 if name == "x_train.npy" else 0))
    return copy


@pytest.mark.fault("data", "an npz of other arrays, or a bomb")
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: _npz(path, x_train=np.zeros((2, 28, 28), np.float32)), "float32 of the shape"),
        (lambda path: _npz(path, y_test=np.zeros(1, ">u2")), ">u2 of the shape"),
        (lambda path: _npz(path, x_test=np.zeros((1, 28, 29), np.uint8)), r"uint8 of the shape \(1, 28, 29\)"),
        (lambda path: _npz(path, x_train=np.zeros((2, 784), np.uint8)), r"uint8 of the shape \(2, 784\)"),
        (lambda path: _npz(path, x_train=np.zeros((0, 28, 28), np.uint8)), r"uint8 of the shape \(0, 28, 28\)"),
        (lambda path: _npz(path, y_train=np.uint8(3)), r"uint8 of the shape \(\)"),
        (lambda path: _npz(path, y_train=np.zeros(3, np.uint8)), "2 training images but 3 labels"),
        (lambda path: _npz(path, x_train=np.zeros((2, 28, 28), np.uint8, "F")), "x_train that is not MNIST's"),
        (_bomb, "too long"),
    ],
    ids=["floats", "two bytes", "29 wide", "flat", "none", "a number", "other count", "by columns", "a bomb"],
)
def test_an_npz_of_other_arrays_is_refused(make: Callable[[Path], DatasetCopy], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(make(tmp_path / "mnist.npz"))
    assert "mnist.npz" in caught.value.message
    assert caught.value.hint
