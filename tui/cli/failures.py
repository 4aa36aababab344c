"""The exception that ended a command, in one sentence."""

from __future__ import annotations

import errno

from engines.api import paths, reason
from tui.terminal import streams

_NO_OUTPUT = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)
"""The errors of writing to a stream; the exception then names no file."""


def describe(error: Exception) -> str:
    """Say what went wrong, and what to do where that is known."""
    if not isinstance(error, OSError):
        return f"{reason(error)}. Run it again with --debug for the details."
    if path := error.filename2 or error.filename:
        ours = str(path).startswith(str(paths.data_dir()))
        hint = f" {paths.OTHER_HOME}" if ours else ""
        return f"{path}: {reason(error)}.{hint}"
    if error.errno in _NO_OUTPUT:
        return streams.describe_lost_output(error)
    return f"{reason(error)}."
