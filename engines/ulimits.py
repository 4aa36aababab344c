"""The limits that the system sets for a process (ulimit): which of them an error or an end tells of, and what to do then.

A worker has the limits of the app, so both read their own. Standard library only.
"""

from __future__ import annotations

import re
import resource

from engines.out_of_memory import is_out_of_memory

_NO_PROCESS = re.compile(
    r"can't start new thread|RLIMIT_NPROC|(^|(thread|fork|process|what\(\):).*)Resource temporarily unavailable",
    re.IGNORECASE,
)
"""How Python, OpenBLAS, libc and C++ say that there may be no more processes or threads."""
_NO_ADDRESSES = "failed to map segment"
"""How the loader of libraries says that memory ran out, or that its file system is mounted with noexec."""
_AGAIN = "raise that limit, then start mnist-tui again."


def limit_in(text: str) -> str:
    """What to do about an error that such a limit explains; empty where none does."""
    if _NO_PROCESS.search(text):
        most = _limit(resource.RLIMIT_NPROC)
        if most is None:
            return "The system or its container allows no more processes and threads: end others, or use fewer threads."
        return f"You may have no more than {most:,} processes and threads here (ulimit -u): end others, or {_AGAIN}"
    if _NO_ADDRESSES in text or is_out_of_memory(text):
        for kind, flag in ((resource.RLIMIT_AS, "-v"), (resource.RLIMIT_DATA, "-d")):
            if (most := _limit(kind)) is not None:
                return f"A process may have no more than {most / 1e9:.1f} GB of memory here (ulimit {flag}): {_AGAIN}"
    return ""


def limit_behind(signal: str, seconds: float) -> str:
    """What to do about a process that the signal ended after so many seconds of CPU time; empty where no limit explains it."""
    most = _limit(resource.RLIMIT_CPU)
    if most is None or signal not in ("SIGKILL", "SIGXCPU") or seconds < most - 1:  # whole seconds, rounded
        return ""
    return f"A process may compute for no more than {most:,} s here (ulimit -t): {_AGAIN}"


def cpu_seconds_of_children() -> float:
    """The CPU time of all child processes that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _limit(kind: int) -> int | None:
    """None where there is no limit."""
    soft, _ = resource.getrlimit(kind)
    return None if soft == resource.RLIM_INFINITY else soft
