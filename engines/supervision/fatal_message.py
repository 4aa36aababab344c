"""Find the line that says why a process died among the last lines that it printed.

Pure: no process, no clock, no files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from engines.out_of_memory import is_out_of_memory

RECENT_LINES = 400
"""Lines to search: a crashing process with many threads prints the stack of each thread after its message."""

_FATAL = re.compile(
    "|".join(
        (
            r"terminate called |libc\+\+abi: ",  # the C++ runtime
            r"\[?F\d{4,8} \d\d:\d\d|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: F |.*\bCheck failed: ",  # absl, glog, TensorFlow
            r"(?:free|malloc|realloc|malloc_consolidate|munmap_chunk|sysmalloc)(?:\(\))?: ",  # glibc
            r"double free or corruption|corrupted (?:size vs|double-linked)|\*\*\* .+ detected \*\*\*|Fatal glibc error: ",
            r".*: Assertion `.*' failed",
            r"Fatal Python error: (?!Aborted|Segmentation fault|Bus error|Floating|Illegal instruction)",
            r"LLVM ERROR: |Intel (?:one)?MKL FATAL ERROR|OMP: Error #|dyld(?:\[\d+\])?: ",
            r"thread '.*' (?:\(\d+\) )?panicked at |fatal runtime error: |memory allocation of \d+ bytes failed",  # Rust
        )
    )
)
"""Beginnings of messages that only a dying process prints."""
_NOTICE = re.compile(
    r"WARNING:|[IW]\d{4} \d\d:\d\d|\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IW] |To enable the following instructions:"
    r"|.*\] (?:failed call to cuInit|Unable to register cu\w+ factory)"
)
"""TensorFlow's informational lines and warnings, and errors that it logs at every import: harmless, unless memory ran out."""
_STACK = re.compile(
    r"\s*@ +(?:0x|\(nil\))|PC: @ |\s*frame #\d+: |\s*#\d+:? +0x|\*\*\* .*(?:stack trace|SIG[A-Z]+|Aborted at).*\*\*\*"
    r"|Exception raised from |PLEASE submit a bug report|Stack dump|\d+\.\t|(?:Aborted|Segmentation fault)(?: \(core dumped\))?$"
    r"|Search for `\w+' in https?://|CUDA kernel errors might be|For debugging consider passing|Compile with `TORCH_USE_CUDA_DSA`"
)
"""Beginnings of the lines around a message: stack frames, their headings, and general advice."""
_THROWN = re.compile(r"terminate called after throwing an instance of '(.*)'")
_WHAT = "what():"
_SIGNALLED = "Fatal Python error:"
"""The first words of Python's faulthandler; only the stacks of all threads and a list of modules follow."""


def fatal_message(lines: Sequence[str]) -> str:
    """Return the fatal message in the last lines of a process, on one line; empty when there is none.

    In order of preference: a line that says that memory ran out, the first fatal message, the last line that is neither a notice
    nor part of a stack, and the name of the signal.
    """
    texts = [line.strip() if line.lstrip().startswith(_WHAT) else line for line in lines if line.strip()]
    end = next((i for i, text in enumerate(texts) if text.startswith(_SIGNALLED)), len(texts))
    before, signalled = texts[:end], texts[end : end + 1]
    fatal = next((_joined(texts[i : i + 2]) for i, text in enumerate(texts) if _FATAL.match(text)), "")
    if fatal and is_out_of_memory(fatal):
        return fatal
    no_memory = [text for text in before if is_out_of_memory(text) and "not a failure" not in text]
    other = [text for text in before if not (_NOTICE.match(text) or _STACK.match(text))]
    return next(filter(None, (*no_memory[-1:], fatal, *other[-1:], *signalled)), "")


def _joined(lines: Sequence[str]) -> str:
    """Join a fatal message with its second half, which C++ and Rust print on the next line."""
    first, following = lines[0], lines[1] if len(lines) > 1 else ""
    thrown = _THROWN.match(first)
    if thrown and following.startswith(_WHAT):
        kind, text = thrown[1], following.removeprefix(_WHAT).strip()
        return text if kind in text else f"{kind}: {text}"
    return f"{first} {following}" if "panicked at " in first and first.endswith(":") and following else first
