"""Write files atomically: a reader sees the old file or the complete new one, however the writer ends.

Standard library only; for workers and the app.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

ABANDONED_SECONDS = 3600.0
"""A temporary file this old was left by a killed writer."""
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""Errors of file systems without fsync (FUSE, 9p, shared folders of virtual machines); the file is written anyway."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file atomically: `write` makes it beside `path`, with the same suffix, and it then replaces `path`.

    The last of several writers wins. The folder must exist. Raises OSError and whatever `write` raises; `path` is unchanged then.
    """
    temp = unique_temp_path(path)
    try:
        write(temp)
        with open(temp, "rb") as file:
            sync(file.fileno())
        os.replace(temp, path)
    finally:
        temp.unlink(missing_ok=True)


def sync(descriptor: int) -> None:
    """Flush a file to its disk, where the file system supports that. Raises OSError when the disk fails."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def unique_temp_path(path: Path) -> Path:
    """Return an unused hidden path beside `path`, with the same suffix; remove temporary files that killed writers left."""
    prefix, suffix = f".{path.stem}.part-", path.suffix
    own = re.compile(rf"{re.escape(prefix)}[0-9a-f]{{16}}{re.escape(suffix)}")
    with contextlib.suppress(OSError):
        for name in filter(own.fullmatch, os.listdir(path.parent)):
            _remove_abandoned(path.with_name(name))
    return path.with_name(f"{prefix}{os.urandom(8).hex()}{suffix}")  # a pid is not unique across containers


def _remove_abandoned(temp: Path) -> None:
    with contextlib.suppress(OSError):  # another writer has just renamed it, or its owner is another user
        if time.time() - temp.stat().st_mtime > ABANDONED_SECONDS:
            temp.unlink()
