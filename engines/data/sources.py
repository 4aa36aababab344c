"""Where MNIST may already lie on this machine. Looks at names only: no numpy, no network."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

PARTS = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
"""The four files, in the order of Digits' fields."""


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


def find_digits(data_dir: Path | None, cache_dir: Path) -> list[Found]:
    """Every copy that is there, the first to be used first."""
    found = []
    for origin, folder in named_places(data_dir):
        found += _in_folder(folder, origin)
    home = Path.home()
    for folder in (Path(), Path("data"), home / "data", home / ".cache" / "torch" / "datasets"):
        found += _idx_in(folder / "MNIST" / "raw", "torchvision")
    keras_home = Path(os.environ.get("KERAS_HOME") or home / ".keras")
    found += _npz_in(keras_home / "datasets" / "mnist.npz", "keras")
    found += _idx_in(cache_folder(cache_dir), "cache")
    return found


def named_places(data_dir: Path | None) -> list[tuple[str, Path]]:
    """(origin, folder) of the place that the user named, if any: the option before the environment."""
    if data_dir is not None:
        return [("--data-dir", data_dir.expanduser())]
    if os.environ.get("MNIST_TUI_DATA"):
        return [("MNIST_TUI_DATA", Path(os.environ["MNIST_TUI_DATA"]).expanduser())]
    return []


def cache_folder(cache_dir: Path) -> Path:
    """Where our own copy lies."""
    return cache_dir / "mnist"


def part_file(folder: Path, part: str) -> Path | None:
    """The file of that part in the folder, plain or gzipped."""
    return next((path for path in (folder / part, folder / f"{part}.gz") if path.is_file()), None)


def _in_folder(folder: Path, origin: str) -> list[Found]:
    return (
        _idx_in(folder, origin)
        + _idx_in(folder / "MNIST" / "raw", origin)
        + _npz_in(folder if folder.suffix == ".npz" else folder / "mnist.npz", origin)
    )


def _idx_in(folder: Path, origin: str) -> list[Found]:
    complete = all(part_file(folder, part) for part in PARTS)
    return [Found("idx", folder, origin)] if complete else []


def _npz_in(path: Path, origin: str) -> list[Found]:
    return [Found("npz", path, origin)] if path.is_file() else []
