"""A file that is there whole or not at all, whatever ends its writer. Standard library only; for workers and the app."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

ABANDONED_SECONDS = 3600.0
"""A part that nobody has written to for so long is a killed writer's."""
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""The errors of file systems without fsync (FUSE, 9p, shared folders of virtual machines); the file is written all the same."""


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make a file beside `path`, with the same ending, then put it in its place; the last of several writers wins.

    The folder must be there. Raises OSError and whatever `write` raises; the file that was there before stays then.
    """
    part = unique_temp_path(path)
    try:
        write(part)
        with open(part, "rb") as file:
            sync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def sync(descriptor: int) -> None:
    """Flush a file to its disk, where the file system supports that. Raises OSError when the disk fails."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def unique_temp_path(path: Path) -> Path:
    """A hidden name beside `path`, with the same ending, that no other writer has; what killed ones left long ago is removed."""
    begin, end = f".{path.stem}.part-", path.suffix
    with contextlib.suppress(OSError):
        for name in os.listdir(path.parent):
            if name.startswith(begin) and name.endswith(end):
                _remove_abandoned(path.with_name(name))
    return path.with_name(f"{begin}{os.urandom(8).hex()}{end}")  # a process' number is another one's in a container


def _remove_abandoned(part: Path) -> None:
    with contextlib.suppress(OSError):  # another writer's: just finished, or not ours to remove
        if time.time() - part.stat().st_mtime > ABANDONED_SECONDS:
            part.unlink()
