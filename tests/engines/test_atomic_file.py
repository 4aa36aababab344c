"""Temporary files: a writer removes its own and those that killed writers of the same file left, and nothing else."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from engines.atomic_file import ABANDONED_SECONDS, unique_temp_path, write_atomically

HEX = "0123456789abcdef"
"""The random part of a temporary file's name."""


@pytest.mark.parametrize(
    ("name", "is_own"),
    [
        (f".pytorch.part-{HEX}.npz", True),
        (f".keras.part-{HEX}.npz", False),
        (f".pytorch.part-{HEX}.json", False),
        (f"pytorch.part-{HEX}.npz", False),
        (f".pytorch.part-1.part-{HEX}.npz", False),
        (".pytorch.part-of-the-thesis.npz", False),
        (".pytorch.npz", False),
        ("pytorch.npz", False),
    ],
)
def test_only_old_temporary_files_of_the_same_file_are_removed(name: str, is_own: bool, tmp_path: Path) -> None:
    now = time.time()
    for age, removed in ((ABANDONED_SECONDS + 60, is_own), (ABANDONED_SECONDS - 60, False)):
        (tmp_path / name).write_text("content")
        os.utime(tmp_path / name, (now - age, now - age))
        unique_temp_path(tmp_path / "pytorch.npz")
        assert (tmp_path / name).exists() is not removed, f"after {age} s"


def test_a_temporary_path_is_new_hidden_and_beside_the_file(tmp_path: Path) -> None:
    first, second = (unique_temp_path(tmp_path / "pytorch.npz") for _ in range(2))
    assert first != second
    assert first.parent == tmp_path
    assert first.name.startswith(".pytorch.part-")
    assert first.suffix == ".npz"
    assert not first.exists()


@pytest.mark.parametrize("error", [OSError("full"), KeyboardInterrupt()], ids=["error", "ctrl+c"])
def test_a_write_that_fails_changes_nothing_and_leaves_nothing(error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("before")

    def write(temp: Path) -> None:
        temp.write_text("half")
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, write)
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["file.txt"]
    assert path.read_text() == "before"
