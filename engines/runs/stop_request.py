"""A file in a run's folder by which another process of its owner asks the run to stop."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from engines.atomic_file import write_atomically

NAME = "stop.request"


def request_stop(folder: Path) -> None:
    """Ask the process that trains the run in `folder` to finish the step, evaluate, and save the results. Raises OSError."""

    def write(path: Path) -> None:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))

    write_atomically(folder / NAME, write)


def is_pending(folder: Path) -> bool:
    """Return whether a request waits for its answer: the process removes the file once it stops the run."""
    return (folder / NAME).is_file()


def withdraw_request(folder: Path) -> None:
    """Remove a request that found no answer. Raises OSError."""
    (folder / NAME).unlink(missing_ok=True)


def accept_request(folder: Path) -> bool:
    """Remove a request, and return whether there was one from the run's owner or from root."""
    path = folder / NAME
    try:
        status = path.lstat()
    except OSError:
        return False
    if not stat.S_ISREG(status.st_mode) or status.st_uid not in (os.geteuid(), 0):  # others may write to the folder
        return False
    with contextlib.suppress(OSError):
        path.unlink()
    return True
