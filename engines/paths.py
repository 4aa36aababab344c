"""Where things are kept on this system: digits, runs, settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs

from engines.config_file import FORMER_TABLE, ConfigFileError, read_toml
from engines.user_path import user_path

_APP = "mnist-tui"

OTHER_HOME = "Set MNIST_TUI_HOME to a folder that you can write to."
"""What to do where the usual folders can't be used."""


def cache_dir() -> Path:
    """Downloaded and drawn digits; safe to delete."""
    return _folder("MNIST_TUI_CACHE_DIR", "cache", platformdirs.user_cache_dir)


def data_dir() -> Path:
    """Runs and managed environments."""
    return user_path(os.environ.get("MNIST_TUI_HOME") or platformdirs.user_data_dir(_APP))


def runs_dir() -> Path:
    """One folder a run."""
    return data_dir() / "runs"


def config_file() -> Path:
    """What the user set. The app never writes it."""
    return _folder("MNIST_TUI_CONFIG_DIR", "config", platformdirs.user_config_dir) / "config.toml"


def _folder(variable: str, name: str, default: Callable[[str], str]) -> Path:
    """The folder that the variable names, or the system's usual one; below MNIST_TUI_HOME where that can't be made."""
    if named := os.environ.get(variable):
        return user_path(named)
    folder = user_path(default(_APP))
    return data_dir() / name if os.environ.get("MNIST_TUI_HOME") and not can_exist(folder) else folder


def can_exist(folder: Path) -> bool:
    """Whether the folder is there, or this user can make it."""
    there = next((place for place in (folder, *folder.parents) if os.path.exists(place)), folder)
    return there == folder or (os.path.isdir(there) and os.access(there, os.W_OK | os.X_OK))


@cache
def settings() -> dict[str, Any]:
    """The contents of config.toml; empty when it is missing or can't be read, which `config_problems` tells.

    The app once kept a table `remembered` at its end: what a user added below that was meant for the whole file.
    """
    try:
        found = read_toml(config_file())
    except (OSError, ConfigFileError):
        return {}
    table = found.get(FORMER_TABLE)
    return {**table, **found} if isinstance(table, dict) else found
