"""The standard streams: open even if the parent closed them, and flushed before Python ends."""

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
_BUFFER_BYTES = 1 << 24
"""Buffer of a stream opened here: it holds everything that a command prints, so that its loss is found once, at the flush."""


def open_missing() -> None:
    """Open the standard streams that the parent closed, so that no other file or pipe gets their numbers.

    A closed stdin reads as empty, and a closed stderr drops its output. A closed stdout is opened for reading only, so that
    flushing it fails: the output is lost.
    """
    for number, (name, flags, mode) in enumerate(_MISSING):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, flags)  # gets the lowest number that is free
            os.set_inheritable(opened, True)
            setattr(sys, name, os.fdopen(opened, mode, _BUFFER_BYTES, encoding="utf-8", closefd=False))


def _ascii_fallback(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that a stream can't encode by similar ASCII characters: "+" for a tick."""
    assert isinstance(error, UnicodeEncodeError)
    unencodable = error.object[error.start : error.end]
    from tui import formatting

    return "".join(
        "+-" if character == "±" else formatting.ASCII.get(character, "?") for character in unencodable
    ), error.end


def accept_any_text() -> None:
    """Let stdout and stderr replace a character that they can't encode, instead of raising an exception."""
    codecs.register_error("ascii_fallback", _ascii_fallback)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="ascii_fallback")


def write_out(stream: TextIO) -> OSError | None:
    """Flush the stream; return the error if that failed.

    An error while Python flushes the stream at its exit would change the exit code to 120.
    """
    try:
        stream.flush()
    except OSError as error:
        abandon(stream)
        return error
    return None


def describe_lost_output(error: OSError) -> str:
    """Return the message that the output, or the rest of it, is lost."""
    return f"The output could not be written: {error.strerror or error}."


def abandon(stream: TextIO) -> None:
    """Redirect a stream that can't be written to /dev/null: else Python tries again at its exit."""
    with contextlib.suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
