"""Pipes: opened for two owners, read without waiting, watched on and off."""

from __future__ import annotations

import contextlib
import os
import selectors


def open_pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[int, int]:
    """Open a pipe (read, write), each end of which is closed with the stack that owns it. Raises OSError."""
    read, write = os.pipe()
    reader.callback(os.close, read)
    writer.callback(os.close, write)
    return read, write


def read_available(fd: int) -> bytes | None:
    """What can be read now: None when nothing can, b"" at the end."""
    try:
        return os.read(fd, 1 << 16)
    except BlockingIOError:
        return None


def set_watched(selector: selectors.BaseSelector, fd: int, what: int, *, wanted: bool) -> None:
    """Register the descriptor for those events, or unregister it, if it is not yet as wanted."""
    if wanted and fd not in selector.get_map():
        selector.register(fd, what)
    elif not wanted and fd in selector.get_map():
        selector.unregister(fd)
