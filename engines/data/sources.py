"""Where MNIST may already lie on this machine. Looks at names only: no numpy, no network. A place that can't be looked at, for
whatever reason, has none.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
"""The four files, in the order of Digits' fields."""

APP_FOLDER = "MNIST_TUI_APP_FOLDER"
"""The variable that names the app's current folder to its workers, which begin in another one."""
KERAS_FOLDER = "MNIST_TUI_KERAS_FOLDER"
"""The variable that names the user's Keras folder to workers whose Keras has another one."""


@dataclass(frozen=True)
class Found:
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

    def file_of(self, part: str) -> Path | None:
        """The file of that part in the folder, plain or gzipped; in our own cache only what we put there."""
        endings = (".gz",) if self.origin == "cache" else ("", ".gz")
        names = (os.path.join(self.path, part + ending) for ending in endings)
        return next((Path(name) for name in names if os.path.isfile(name)), None)


def find_digits(data_dir: Path | None, cache_dir: Path) -> list[Found]:
    """Every copy that is there, the first to be used first."""
    found = []
    for origin, folder in named_places(data_dir):
        found += _in_folder(folder, origin)
    home = Path(os.path.expanduser("~"))  # unlike Path.home(), of a user without a home, too
    for folder in (_expanded(""), _expanded("data"), home / "data", home / ".cache" / "torch" / "datasets"):
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
        return [("--data-dir", _expanded(data_dir))]
    if os.environ.get("MNIST_TUI_DATA"):
        return [("MNIST_TUI_DATA", _expanded(os.environ["MNIST_TUI_DATA"]))]
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
    return "which holds no complete MNIST"


def _expanded(place: str | Path) -> Path:
    """The place as the app means it, also in a worker."""
    return Path(os.environ.get(APP_FOLDER, ""), os.path.expanduser(place))  # unlike Path's own, of an unknown user too


def cache_folder(cache_dir: Path) -> Path:
    """Where our own copy lies."""
    return cache_dir / "mnist"


def _in_folder(folder: Path, origin: str) -> list[Found]:
    return (
        _idx_in(folder, origin)
        + _idx_in(folder / "MNIST" / "raw", origin)
        + _npz_in(folder if folder.suffix == ".npz" else folder / "mnist.npz", origin)
    )


def _idx_in(folder: Path, origin: str) -> list[Found]:
    found = Found("idx", folder, origin)
    return [found] if all(map(found.file_of, PARTS)) else []


def _npz_in(path: Path, origin: str) -> list[Found]:
    return [Found("npz", path, origin)] if os.path.isfile(path) else []
