"""MNIST's files as users have them: cut short, unpacked by a browser, renamed; read by their content."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engines.api import DataError, load_digits
from engines.data.sources import IDX_FILES
from tests.support.digits import random_digits, write_idx


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write the four files as .gz."""
    write_idx(tmp_path / "mine", *random_digits(30), "train")
    write_idx(tmp_path / "mine", *random_digits(10), "t10k")
    return tmp_path / "mine"


def _assert_read(folder: Path, cache: Path) -> None:
    digits = load_digits("mnist", folder, cache_dir=cache)
    for images, labels, count in (
        (digits.train_images, digits.train_labels, 30),
        (digits.test_images, digits.test_labels, 10),
    ):
        assert np.array_equal(images, random_digits(count)[0])
        assert np.array_equal(labels, random_digits(count)[1])


_INTERRUPTED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "cut in its header": lambda content: content[:6],
    "a web page": lambda content: b"<!doctype html>",
}


@pytest.mark.fault(
    "data", "an interrupted unpacking: a cut file beside a complete .gz, for each of the four; the .gz is read"
)
@pytest.mark.parametrize("how", _INTERRUPTED)
@pytest.mark.parametrize("part", IDX_FILES)
def test_the_complete_file_of_two_is_read(part: str, how: str, folder: Path, tmp_path: Path) -> None:
    content = gzip.decompress((folder / f"{part}.gz").read_bytes())
    (folder / part).write_bytes(_INTERRUPTED[how](content))
    _assert_read(folder, tmp_path / "cache")
    (folder / part).write_bytes(content)
    (folder / f"{part}.gz").write_bytes(_INTERRUPTED[how](gzip.compress(content)))
    _assert_read(folder, tmp_path / "cache")


@pytest.mark.fault("data", "torchvision's folder with a cut file beside its .gz: read, and no digits are drawn")
def test_an_interrupted_torchvision_download_is_read(folder: Path, home: Path, tmp_path: Path) -> None:
    (folder / IDX_FILES[0]).write_bytes(b"")
    (home / "data" / "MNIST").mkdir(parents=True)
    folder.rename(home / "data" / "MNIST" / "raw")
    assert load_digits("auto", cache_dir=tmp_path / "cache").dataset == "custom"


@pytest.mark.fault("data", "MNIST's files under other names and in other forms: read by their content")
@pytest.mark.parametrize("form", ["dots", "dots, plain", "unpacked by a browser", "packed under a plain name"])
def test_files_are_read_by_their_content(form: str, folder: Path, tmp_path: Path) -> None:
    for part in IDX_FILES:
        packed = (folder / f"{part}.gz").read_bytes()
        (folder / f"{part}.gz").unlink()
        name, content = {
            "dots": (f"{part.replace('-idx', '.idx')}.gz", packed),
            "dots, plain": (part.replace("-idx", ".idx"), gzip.decompress(packed)),
            "unpacked by a browser": (f"{part}.gz", gzip.decompress(packed)),
            "packed under a plain name": (part, packed),
        }[form]
        (folder / name).write_bytes(content)
    _assert_read(folder, tmp_path / "cache")


@pytest.mark.fault("data", "neither the plain file nor the .gz is complete: both are named, with their sizes")
def test_the_missing_part_of_a_cut_file_is_reported(folder: Path, tmp_path: Path) -> None:
    packed = (folder / f"{IDX_FILES[0]}.gz").read_bytes()
    (folder / IDX_FILES[0]).write_bytes(gzip.decompress(packed)[:1000])
    (folder / f"{IDX_FILES[0]}.gz").write_bytes(packed[:-4])
    with pytest.raises(DataError) as caught:
        load_digits("auto", folder, cache_dir=tmp_path / "cache")
    assert caught.value.message == (
        f"{folder / IDX_FILES[0]} is cut short: it holds 1,000 of 23,536 bytes."
        f" {folder / IDX_FILES[0]}.gz is cut short: its checksum is missing."
    )
    (folder / IDX_FILES[0]).unlink()
    (folder / f"{IDX_FILES[0]}.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=r"gz is cut short: it unpacks to [\d,]+ of 23,536 bytes"):
        load_digits("auto", folder, cache_dir=tmp_path / "cache")


@pytest.mark.fault(
    "data", "one file of four is missing, or the user's place holds a complete copy beside a damaged one"
)
def test_a_place_is_searched_for_every_copy_before_it_is_refused(folder: Path, tmp_path: Path) -> None:
    (folder / f"{IDX_FILES[3]}.gz").rename(folder / "labels-idx1-ubyte.gz")
    with pytest.raises(DataError) as caught:
        load_digits("auto", folder, cache_dir=tmp_path / "cache")
    assert caught.value.message.endswith(f"which holds no complete MNIST: no {IDX_FILES[3]}.")
    assert "*" not in caught.value.hint, "a pattern may match the files that exist"
    (folder / f"{IDX_FILES[3]}.gz").write_bytes(b"")
    with pytest.raises(DataError, match="is empty"):
        load_digits("auto", folder, cache_dir=tmp_path / "cache")
    write_idx(folder / "MNIST" / "raw", *random_digits(30), "train")
    write_idx(folder / "MNIST" / "raw", *random_digits(10), "t10k")
    _assert_read(folder, tmp_path / "cache")
