"""The folders of digits, runs and settings on this system."""

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
"""Advice for when the usual folders can't be used."""
OTHER_RUNS_DIR = "Name a folder that you can write to with --runs-dir, or in MNIST_TUI_HOME."
"""Advice for when runs can't be saved."""


def cache_dir() -> Path:
    """Return the folder of downloaded and drawn digits, which is safe to delete."""
    return _folder("MNIST_TUI_CACHE_DIR", "cache", platformdirs.user_cache_dir)


def data_dir() -> Path:
    """Return the folder of runs and managed environments."""
    return user_path(os.environ.get("MNIST_TUI_HOME") or platformdirs.user_data_dir(_APP))


def runs_dir() -> Path:
    """Return the folder that holds one folder for each run."""
    return data_dir() / "runs"


def config_file() -> Path:
    """Return the path of the user's config.toml, which the app never writes."""
    return _folder("MNIST_TUI_CONFIG_DIR", "config", platformdirs.user_config_dir) / "config.toml"


def _folder(variable: str, name: str, default: Callable[[str], str]) -> Path:
    """Return the folder that the variable names, or the system's usual one; below MNIST_TUI_HOME when that can't be made."""
    if named := os.environ.get(variable):
        return user_path(named)
    folder = user_path(default(_APP))
    return data_dir() / name if os.environ.get("MNIST_TUI_HOME") and not can_exist(folder) else folder


def can_exist(folder: Path) -> bool:
    """Return whether the folder exists, or this user can make it."""
    return os.path.isdir(folder) or can_write(folder)


def can_write(folder: Path) -> bool:
    """Return whether this user can write into the folder, once it is made if there is none."""
    existing = next((path for path in (folder, *folder.parents) if os.path.exists(path)), folder)
    return os.path.isdir(existing) and os.access(existing, os.W_OK | os.X_OK)


@cache
def settings() -> dict[str, Any]:
    """Return the contents of config.toml; empty when it is missing or can't be read, which `config_problems` reports.

    Earlier versions wrote a table `remembered` at its end, so a key that the user added below belongs to that table: use it too.
    """
    try:
        contents = read_toml(config_file())
    except (OSError, ConfigFileError):
        return {}
    table = contents.get(FORMER_TABLE)
    return {**table, **contents} if isinstance(table, dict) else contents
