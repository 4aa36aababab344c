"""The standard streams: there from the start, whatever the parent closed, and written out before Python ends."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys

TYPE_CHECKING = False  # as in tui.cli.main
if TYPE_CHECKING:
    from typing import TextIO


_MISSING = (("stdin", os.O_RDONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w"))
_ROOM = 1 << 24
"""Bytes that a stream opened here holds: all that a command prints, whose loss is found once, when it is written out."""


def open_missing() -> None:
    """Open the standard streams that the parent closed, or files and pipes of ours would get their numbers.

    A closed stdin is at its end, and nobody misses what a closed stderr would say. But what goes to a closed stdout is lost:
    it is opened for reading, so that writing it out fails as it should.
    """
    for number, (name, flags, mode) in enumerate(_MISSING):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, flags)  # gets the lowest number that is free
            os.set_inheritable(opened, True)
            setattr(sys, name, os.fdopen(opened, mode, _ROOM, encoding="utf-8", closefd=False))


def _resembling(error: UnicodeError) -> tuple[str, int]:
    """What a stream can't say, as it can: "+" for a tick where there is only ASCII, never an exception."""
    assert isinstance(error, UnicodeEncodeError)
    wanted = error.object[error.start : error.end]
    from tui import formatting

    return "".join(formatting.ASCII.get(character, "?") for character in wanted), error.end


def accept_any_text() -> None:
    """Let stdout and stderr write what resembles a character that they can't encode."""
    codecs.register_error("resembling", _resembling)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="resembling")


def write_out(stream: TextIO) -> OSError | None:
    """Write out what the stream still holds; return why it could not be.

    Left to Python's own end, that would change the exit code to 120.
    """
    try:
        stream.flush()
    except OSError as error:
        abandon(stream)
        return error
    return None


def describe_lost_output(error: OSError) -> str:
    """Say why the output, or the rest of it, is lost."""
    return f"The output could not be written: {error.strerror or error}."


def abandon(stream: TextIO) -> None:
    """Let a stream that can't be written to lead nowhere, or Python tries once more when it ends."""
    with contextlib.suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
