"""What a worker leaves on disk: arrays as .npz, without pickle, and each file whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from engines.atomic_file import write_atomically

Arrays = dict[str, Any]
"""numpy arrays, and scalars that numpy can make into arrays, by name."""


def save_arrays(arrays: Mapping[str, Any], path: Path) -> None:
    """Write an .npz. Raises OSError."""

    def write(part: Path) -> None:
        with open(part, "wb") as file:
            np.savez(file, **arrays)

    write_atomically(path, write)


def load_arrays(path: Path) -> Arrays:
    """Read an .npz that `save_arrays` wrote. Raises OSError, and ValueError when it is none."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError:
        raise
    except Exception as error:  # zipfile's and zlib's own errors say that it is damaged, in many ways
        raise ValueError(f"{path.name} can't be read: {error}") from error
