"""One sentence for an exception that ended a command."""

from __future__ import annotations

import errno
import os

from engines.api import paths, reason
from tui.terminal import streams

_NO_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""Error numbers of a stream that can't be written to; such an exception names no file."""


def describe(error: Exception) -> str:
    """Describe what went wrong, and what to do about it if that is clear."""
    if not isinstance(error, OSError):
        return f"{reason(error)}. Run it again with --debug for the details."
    path = error.filename2 or error.filename
    if error.errno == errno.ENOENT and not os.path.isabs(str(path or "")) and _current_folder_is_gone():
        return "The current folder was deleted: change into another one."
    if path:
        in_data_dir = str(path).startswith(str(paths.data_dir()))
        hint = f" {paths.OTHER_HOME}" if in_data_dir else ""
        return f"{path}: {reason(error)}.{hint}"
    if error.errno in _NO_OUTPUT:
        return streams.describe_lost_output(error)
    return f"{reason(error)}."


def _current_folder_is_gone() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False
