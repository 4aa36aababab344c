"""Small files of digits, damaged at every byte: they read as what they were, or are refused with a reason, and nothing else."""

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
    """Keras' mnist.npz with three digits that take little room, of which some arrays may be others."""
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
    """Each of these bits in its turn, while it and no other is flipped. In place: making a file short first takes milliseconds."""
    content = path.read_bytes()
    with open(path, "r+b", buffering=0) as file:
        for bit in bits:
            at = bit // 8
            os.pwrite(file.fileno(), bytes([content[at] ^ 1 << bit % 8]), at)
            yield bit
            os.pwrite(file.fileno(), content[at : at + 1], at)


def _cut(path: Path) -> Iterator[int]:
    """How much is left of the file, while no more of it is left: from all but a byte to nothing."""
    for size in reversed(range(path.stat().st_size)):
        os.truncate(path, size)
        yield size


def _same(original: Digits, found: DatasetCopy) -> bool:
    """Whether the copy reads as the original does; False where it is refused, with words that name it."""
    try:
        digits = read(found)
    except DataError as error:
        assert str(found.path) in error.message
        assert error.hint
        return False
    assert digits.sha256 == original.sha256
    return True


@pytest.mark.fault(
    "data", "each bit of a .gz flipped, in header, body, checksum and length: the same digits, or refused"
)
def test_any_bit_of_a_gz(tmp_path: Path) -> None:
    write_idx(tmp_path, *random_digits(9), "train")
    path = tmp_path / f"{IDX_FILES[1]}.gz"
    labels, bits, refused = read_idx(path, 1), 8 * path.stat().st_size, 0
    for bit in _flipped(path, range(bits)):
        try:
            assert np.array_equal(read_idx(path, 1), labels), bit
        except DataError as error:
            assert path.name in error.message
            refused += 1
    assert refused > bits - 80, "all but what says when and where it was packed"


@pytest.mark.fault("data", "a .gz cut at each byte")
def test_a_gz_cut_anywhere(tmp_path: Path) -> None:
    write_idx(tmp_path, *random_digits(9), "train")
    path = tmp_path / f"{IDX_FILES[1]}.gz"
    for _ in _cut(path):
        with pytest.raises(DataError, match=path.name):
            read_idx(path, 1)


@pytest.mark.fault("data", "an npz cut at each byte, and with a bit of each byte flipped: the same digits, or refused")
def test_any_byte_of_an_npz(tmp_path: Path) -> None:
    path = tmp_path / "mnist.npz"
    original = read(_npz(path))
    found, size = DatasetCopy("npz", path, "--data-dir"), path.stat().st_size
    same = [bit for bit in _flipped(path, [8 * at + at % 8 for at in range(size)]) if _same(original, found)]
    assert len(same) < size / 2, "what says when and by whom it was packed, twice for each array"
    assert not [left for left in _cut(path) if _same(original, found)]


def _bomb(path: Path) -> DatasetCopy:
    """A kilobyte that would be fifty million: the header says two digits."""
    found = _npz(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content + bytes(50_000_000 if name == "x_train.npy" else 0))
    return found


@pytest.mark.fault("data", "an npz of other arrays, or a bomb")
@pytest.mark.parametrize(
    ("make", "said"),
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
def test_an_npz_of_something_else(make: Callable[[Path], DatasetCopy], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read(make(tmp_path / "mnist.npz"))
    assert "mnist.npz" in caught.value.message
    assert caught.value.hint
