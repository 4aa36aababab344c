"""Find the resource limit (ulimit) that explains an error or the end of a process, and advise what to do.

A worker inherits the limits of the app, so both read their own. Standard library only.
"""

from __future__ import annotations

import re
import resource

from engines.out_of_memory import is_out_of_memory

_NO_PROCESS = re.compile(
    r"can't start new thread|RLIMIT_NPROC|pthread_create.* failed"
    r"|(^|(thread|fork|process|what\(\):).*)Resource temporarily unavailable",
    re.IGNORECASE,
)
"""Phrases of Python, OpenBLAS, TensorFlow, libc and C++ for a process or thread that could not be started."""
_NO_FILE = re.compile(r"Too many open files(?! in system)")
_NO_SEGMENT = "failed to map segment"
"""Phrase of the dynamic loader for memory that ran out, or a file system that is mounted with noexec."""
_RAISE_LIMIT = "raise that limit, then start mnist-tui again."


def limit_in(text: str) -> str:
    """Advise what to do about an error that a limit explains; empty when none does."""
    if _NO_PROCESS.search(text):
        most = _limit(resource.RLIMIT_NPROC)
        if most is None:
            return "The system or its container allows no more processes and threads: end others, or use fewer threads."
        return (
            f"You may have no more than {most:,} processes and threads here (ulimit -u): end others, or {_RAISE_LIMIT}"
        )
    if _NO_FILE.search(text) and (most := _limit(resource.RLIMIT_NOFILE)) is not None:
        return f"A process may have no more than {most:,} files open here (ulimit -n): {_RAISE_LIMIT}"
    if _NO_SEGMENT in text or is_out_of_memory(text):
        for kind, flag in ((resource.RLIMIT_AS, "-v"), (resource.RLIMIT_DATA, "-d")):
            if (most := _limit(kind)) is not None:
                return f"A process may have no more than {most / 1e9:.1f} GB of memory here (ulimit {flag}): {_RAISE_LIMIT}"
    return ""


def limit_behind(signal: str, cpu_seconds: float) -> str:
    """Advise what to do about a process that the signal ended after this CPU time; empty when no limit explains it."""
    most = _limit(resource.RLIMIT_CPU)
    if most is None or signal not in ("SIGKILL", "SIGXCPU") or cpu_seconds < most - 1:  # the limit is in whole seconds
        return ""
    return f"A process may compute for no more than {most:,} s here (ulimit -t): {_RAISE_LIMIT}"


def cpu_seconds_of_children() -> float:
    """Return the CPU time of all child processes that have ended and been reaped."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _limit(kind: int) -> int | None:
    """Return the soft limit; None when there is none."""
    soft, _ = resource.getrlimit(kind)
    return None if soft == resource.RLIM_INFINITY else soft
