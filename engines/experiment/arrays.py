"""Read and write arrays as .npz, atomically and without pickle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engines.atomic_file import write_atomically

Arrays = dict[str, Any]
"""numpy arrays, and scalars that numpy can convert to arrays, by name."""


def save_arrays(arrays: Mapping[str, Any], path: Path) -> None:
    """Write an .npz atomically. Raises OSError."""

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as file:
            np.savez(file, **arrays)

    write_atomically(path, write)


def load_arrays(path: Path, prefixes: tuple[str, ...] = ("",)) -> Arrays:
    """Read the arrays of an .npz, or those with these prefixes. Raises OSError, and ValueError for any other file."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if name.startswith(prefixes)}
    except OSError:
        raise
    except Exception as error:  # zipfile and zlib raise many types for a damaged file
        raise ValueError(f"{path.name} holds no arrays, or is damaged") from error
