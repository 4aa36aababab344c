"""Find copies of MNIST on this machine by file names alone: no numpy, no network.

A place that can't be read, for whatever reason, counts as empty.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.user_path import user_path

IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
"""The four files, in the order of Digits' fields."""
EXPECTED = f"{', '.join(IDX_FILES)}, each plain or .gz, there or in MNIST/raw; or mnist.npz"
"""The contents of a folder with MNIST, for the user."""

KERAS_FOLDER = "MNIST_TUI_KERAS_FOLDER"
"""The variable that passes the user's Keras folder to workers, whose KERAS_HOME is another one."""


@dataclass(frozen=True)
class DatasetCopy:
    """A copy of MNIST that has all its files; their contents are unchecked."""

    kind: str
    """"idx" (a folder of four files) or "npz" (one file)."""
    path: Path
    origin: str
    """"--data-dir", "MNIST_TUI_DATA", "torchvision", "keras" or "cache"."""

    @property
    def user_specified(self) -> bool:
        """True when the user named this place, so that no other copy may silently replace it."""
        return self.origin in ("--data-dir", "MNIST_TUI_DATA")

    def candidates(self, name: str) -> list[Path]:
        """Return the files that may hold one of IDX_FILES, by their names; in the app's cache only the downloaded one."""
        names = [f"{name}.gz"]
        if self.origin != "cache":
            dotted = name.replace("-idx", ".idx")  # the spelling of some mirrors and archives
            names = [name, f"{name}.gz", dotted, f"{dotted}.gz"]
        paths = (os.path.join(self.path, name) for name in names)
        return [Path(path) for path in paths if os.path.isfile(path)]


def find_digits(data_dir: Path | None, cache_dir: Path) -> list[DatasetCopy]:
    """Return every copy on this machine, in order of preference."""
    copies = []
    for origin, folder in user_places(data_dir):
        copies += _in_folder(folder, origin)
    home = user_path("~")
    for folder in (user_path(""), user_path("data"), home / "data", home / ".cache" / "torch" / "datasets"):
        copies += _idx_in(folder / "MNIST" / "raw", "torchvision")
    copies += _npz_in(keras_folder() / "datasets" / "mnist.npz", "keras")
    copies += _idx_in(cache_folder(cache_dir), "cache")
    return copies


def keras_folder() -> Path:
    """Return the user's Keras folder, which holds its data sets."""
    return user_path(os.environ.get(KERAS_FOLDER) or os.environ.get("KERAS_HOME") or "~/.keras")


def user_places(data_dir: Path | None) -> list[tuple[str, Path]]:
    """Return (origin, folder) of the place that the user named, if any: the option comes before the environment."""
    if data_dir is not None:
        return [("--data-dir", user_path(data_dir))]
    if os.environ.get("MNIST_TUI_DATA"):
        return [("MNIST_TUI_DATA", user_path(os.environ["MNIST_TUI_DATA"]))]
    return []


def unusable_place(data_dir: Path | None, copies: Sequence[DatasetCopy]) -> str:
    """Return a sentence on the place that the user named, if it holds none of the copies; empty otherwise."""
    for origin, folder in user_places(data_dir):
        if not any(copy.origin == origin for copy in copies):
            return f"{origin} names {folder}, {explain_missing(folder)}."
    return ""


def explain_missing(place: Path) -> str:
    """Explain, as the end of a sentence, why a place that the user named has no copy of MNIST."""
    try:
        os.stat(os.path.join(place, "."))  # fails without permission to enter the folder, too
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        return f"which can't be read: {error.strerror}"
    except ValueError:  # a zero byte
        return "which is no path"
    for folder in _idx_folders(place):
        copy = DatasetCopy("idx", folder, "")
        missing = [name for name in IDX_FILES if not copy.candidates(name)]
        if len(missing) < len(IDX_FILES):
            return f"which holds no complete MNIST: no {' and no '.join(missing)}"
    return "which holds no complete MNIST"


def cache_folder(cache_dir: Path) -> Path:
    """Return the folder of the app's own copy."""
    return cache_dir / "mnist"


def _in_folder(folder: Path, origin: str) -> list[DatasetCopy]:
    idx = [copy for place in _idx_folders(folder) for copy in _idx_in(place, origin)]
    return idx + _npz_in(folder if folder.suffix == ".npz" else folder / "mnist.npz", origin)


def _idx_folders(folder: Path) -> tuple[Path, Path]:
    """Return the folders that may hold the four files, inside a folder that the user named."""
    return folder, folder / "MNIST" / "raw"


def _idx_in(folder: Path, origin: str) -> list[DatasetCopy]:
    copy = DatasetCopy("idx", folder, origin)
    return [copy] if all(map(copy.candidates, IDX_FILES)) else []


def _npz_in(path: Path, origin: str) -> list[DatasetCopy]:
    return [DatasetCopy("npz", path, origin)] if os.path.isfile(path) else []
