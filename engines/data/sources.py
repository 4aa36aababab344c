"""Where MNIST may already lie on this machine. Looks at names only: no numpy, no network. A place that can't be looked at, for
whatever reason, has none.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from engines.user_path import user_path

IDX_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
"""The four files, in the order of Digits' fields."""
EXPECTED = f"{', '.join(IDX_FILES)}, each plain or .gz, there or in MNIST/raw; or mnist.npz"
"""What a folder with MNIST holds, for people."""

KERAS_FOLDER = "MNIST_TUI_KERAS_FOLDER"
"""The variable that names the user's Keras folder to workers whose Keras has another one."""


@dataclass(frozen=True)
class DatasetCopy:
    """A complete-looking copy of MNIST."""

    kind: str
    """"idx" (a folder of four files) or "npz" (one file)."""
    path: Path
    origin: str
    """"--data-dir", "MNIST_TUI_DATA", "torchvision", "keras" or "cache"."""

    @property
    def chosen(self) -> bool:
        """Whether the user named this place, so that nothing else may silently stand in for it."""
        return self.origin in ("--data-dir", "MNIST_TUI_DATA")

    def files_of(self, part: str) -> list[Path]:
        """The files that may hold that part, by their names; in our own cache only what we put there."""
        names = [f"{part}.gz"]
        if self.origin != "cache":
            dotted = part.replace("-idx", ".idx")  # as some mirrors and archives write it
            names = [part, f"{part}.gz", dotted, f"{dotted}.gz"]
        paths = (os.path.join(self.path, name) for name in names)
        return [Path(path) for path in paths if os.path.isfile(path)]


def find_digits(data_dir: Path | None, cache_dir: Path) -> list[DatasetCopy]:
    """Every copy that is there, the first to be used first."""
    found = []
    for origin, folder in named_places(data_dir):
        found += _in_folder(folder, origin)
    home = user_path("~")
    for folder in (user_path(""), user_path("data"), home / "data", home / ".cache" / "torch" / "datasets"):
        found += _idx_in(folder / "MNIST" / "raw", "torchvision")
    found += _npz_in(keras_folder() / "datasets" / "mnist.npz", "keras")
    found += _idx_in(cache_folder(cache_dir), "cache")
    return found


def keras_folder() -> Path:
    """Where the user's Keras keeps its data sets."""
    return Path(os.environ.get(KERAS_FOLDER) or os.environ.get("KERAS_HOME") or os.path.expanduser("~/.keras"))


def named_places(data_dir: Path | None) -> list[tuple[str, Path]]:
    """(origin, folder) of the place that the user named, if any: the option before the environment."""
    if data_dir is not None:
        return [("--data-dir", user_path(data_dir))]
    if os.environ.get("MNIST_TUI_DATA"):
        return [("MNIST_TUI_DATA", user_path(os.environ["MNIST_TUI_DATA"]))]
    return []


def what_is_wrong(place: Path) -> str:
    """Of a place that was named and where nothing was found, as the end of a sentence."""
    try:
        os.stat(os.path.join(place, "."))  # needs the right to look into the folder, too
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        return f"which can't be read: {error.strerror}"
    except ValueError:  # a zero byte
        return "which is no path"
    for folder in _idx_folders(place):
        copy = DatasetCopy("idx", folder, "")
        missing = [part for part in IDX_FILES if not copy.files_of(part)]
        if len(missing) < len(IDX_FILES):
            return f"which holds no complete MNIST: no {' and no '.join(missing)}"
    return "which holds no complete MNIST"


def cache_folder(cache_dir: Path) -> Path:
    """Where our own copy lies."""
    return cache_dir / "mnist"


def _in_folder(folder: Path, origin: str) -> list[DatasetCopy]:
    idx = [copy for place in _idx_folders(folder) for copy in _idx_in(place, origin)]
    return idx + _npz_in(folder if folder.suffix == ".npz" else folder / "mnist.npz", origin)


def _idx_folders(folder: Path) -> tuple[Path, Path]:
    """Where the four files may lie in a folder that a user named."""
    return folder, folder / "MNIST" / "raw"


def _idx_in(folder: Path, origin: str) -> list[DatasetCopy]:
    found = DatasetCopy("idx", folder, origin)
    return [found] if all(map(found.files_of, IDX_FILES)) else []


def _npz_in(path: Path, origin: str) -> list[DatasetCopy]:
    return [DatasetCopy("npz", path, origin)] if os.path.isfile(path) else []
