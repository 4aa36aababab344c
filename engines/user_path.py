"""Resolve paths as users write them: a leading ~ is a home folder, and a relative path starts where the app was started.

Standard library only: both sides of the pipe read it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

APP_FOLDER = "MNIST_TUI_APP_FOLDER"
"""The variable that passes the app's current folder to its workers, which start in another one."""


def user_path(text: str | Path) -> Path:
    """Return the absolute path that `text` means; the ~ of an unknown user stays, as in a shell."""
    path = Path(text)
    with suppress(ValueError):  # a zero byte in a user's name
        path = Path(os.path.expanduser(text))
    path = Path(os.environ.get(APP_FOLDER, "")) / path
    with suppress(OSError):  # the working directory was deleted
        path = path.absolute()
    return path
