"""Kill the worker once the app is gone, even if the worker is stopped or hangs outside of Python."""

from __future__ import annotations

import contextlib
import os

SECONDS = 3
"""Seconds after the app's end: twice the grace period in which a healthy worker ends by itself."""


def start(app_fd: int) -> None:
    """Start a shell that waits for the end of `app_fd`, whose other end only the app holds, and then kills its process group.

    The shell belongs to the worker's group, so that killing the group ends it too, but it is not the worker's child, so that the
    worker's resource usage excludes it.
    """
    purpose = "ends a worker whose mnist-tui is gone"  # shown by ps
    # `set +e` and `&&`: a failing command must not kill. The trap: SIGTERM is meant for the worker alone.
    command = f": '{purpose}'; set +e; (trap '' TERM; read -r line <&3; sleep {SECONDS} && kill -9 0) &"
    standard_streams = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    with contextlib.suppress(OSError):  # without a shell there is no watchdog
        pid = os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", command],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, app_fd, 3), *standard_streams],
        )
        os.waitpid(pid, 0)
    os.close(app_fd)
