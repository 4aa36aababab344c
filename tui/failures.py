"""Report the exception that ended a command, in one sentence on stderr."""

from __future__ import annotations

import contextlib
import errno
import os
import sys

from engines.api import paths, reason
from tui import formatting

_NO_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""The errors of writing to a stream; the exception then names no file."""


def report(error: Exception) -> int:
    """Print what went wrong and return the exit code, 1. Print nothing when the reader of stdout has closed it."""
    _drop_output()
    if isinstance(error, BrokenPipeError):
        return 1
    said = reason(error)
    if not isinstance(error, OSError):
        said = f"{said}. Run it again with --debug for the details"
    elif path := error.filename2 or error.filename:
        said = f"{path}: {said}"
        if os.fspath(path).startswith(str(paths.data_dir())):
            said = f"{said}. {paths.OTHER_HOME}"
    elif error.errno in _NO_OUTPUT:
        said = f"The output could not be written: {said}"
    with contextlib.suppress(OSError):  # stderr may go where stdout does
        print(f"mnist-tui: {formatting.plain(said.removesuffix('.'))}.", file=sys.stderr, flush=True)
    return 1


def _drop_output() -> None:
    """Discard what stdout can't write: Python would try again at its exit, and print a complaint of its own."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError), open(os.devnull, "wb") as nothing:
            os.dup2(nothing.fileno(), sys.stdout.fileno())
