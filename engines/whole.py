"""A file that is there whole or not at all, whatever ends its writer. Standard library only; for workers and the app."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file beside `path`, with the same ending, then put it in its place.

    The folder must be there. Raises OSError and whatever `write` raises; the file that was there before stays then.
    """
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        write(part)
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
