"""Pipes: opened for two owners, read without waiting, watched on and off."""

from __future__ import annotations

import contextlib
import os
import selectors
from collections.abc import Callable


def open_pipe(reader: contextlib.ExitStack, writer: contextlib.ExitStack) -> tuple[int, int]:
    """Open a pipe (read, write), each end of which is closed with the stack that owns it. Raises OSError."""
    read, write = os.pipe()
    reader.callback(os.close, read)
    writer.callback(os.close, write)
    return read, write


def read_available(fd: int) -> bytes | None:
    """Read up to 64 KiB without waiting: None when there is nothing yet, b"" at the end."""
    try:
        return os.read(fd, 1 << 16)
    except BlockingIOError:
        return None


def read_ready(selector: selectors.BaseSelector, ready: set[int], readers: dict[int, Callable[[bytes], None]]) -> bool:
    """Pass what can be read now to its reader, and remove readers whose pipe has ended; False when none was ready."""
    readable = ready & readers.keys()
    for fd in readable:
        data = read_available(fd)
        if data == b"":
            selector.unregister(fd)
            del readers[fd]
        elif data:
            readers[fd](data)
    return bool(readable)


def set_watched(selector: selectors.BaseSelector, fd: int, events: int, *, wanted: bool) -> None:
    """Register the descriptor for `events`, or unregister it, unless that is done already."""
    if wanted and fd not in selector.get_map():
        selector.register(fd, events)
    elif not wanted and fd in selector.get_map():
        selector.unregister(fd)
