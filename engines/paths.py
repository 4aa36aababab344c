"""Where things are kept on this system: digits, runs, settings."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs

_APP = "mnist-tui"


def cache_dir() -> Path:
    """Downloaded and drawn digits; safe to delete."""
    return Path(os.environ.get("MNIST_TUI_CACHE_DIR") or platformdirs.user_cache_dir(_APP))


def data_dir() -> Path:
    """Runs and managed environments."""
    return Path(os.environ.get("MNIST_TUI_HOME") or platformdirs.user_data_dir(_APP))


def runs_dir() -> Path:
    """One folder a run."""
    return data_dir() / "runs"


def config_file() -> Path:
    """What the user set. The app never writes it."""
    folder = os.environ.get("MNIST_TUI_CONFIG_DIR") or platformdirs.user_config_dir(_APP)
    return Path(folder) / "config.toml"


@cache
def settings() -> dict[str, Any]:
    """The contents of config.toml; empty when it is missing or can't be read.

    The app once kept a table `remembered` at its end: what a user added below that was meant for the whole file.
    """
    try:
        text = config_file().read_text(encoding="utf-8")
        import tomllib  # for whoever has such a file alone: the first paint waits for it

        found = tomllib.loads(text)
    except (OSError, ValueError, RecursionError):
        return {}
    table = found.get("remembered")
    return {**table, **found} if isinstance(table, dict) else found
