"""Ends the worker when the app is gone and the worker itself can't: stopped, or hung where Python does not run."""

from __future__ import annotations

import contextlib
import os

SECONDS = 3
"""What a worker that hears of the app's end by itself may take; it takes half of that."""


def start(app_fd: int) -> None:
    """Let a shell wait for the end of `app_fd`, whose other end only the app holds, and then kill this process group, itself too.

    It is in the group, so what ends the group ends it; but it is nobody's child, so that no figure of the worker's counts it.
    """
    # What fails in it must not kill; SIGTERM asks the worker alone.
    what = "ends a worker whose mnist-tui is gone"
    command = f": '{what}'; set +e; (trap '' TERM; read -r line <&3; sleep {SECONDS} && kill -9 0) &"
    nothing = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    with contextlib.suppress(OSError):  # where there is no shell, there is no guard
        pid = os.posix_spawn(
            "/bin/sh",
            ["sh", "-c", command],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, app_fd, 3), *nothing],
        )
        os.waitpid(pid, 0)
    os.close(app_fd)
