"""Which engines exist, and in which interpreter each one's worker runs."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from engines import paths
from engines.config import TITLES
from engines.supervisor import EngineSpec


def engine_spec(name: str, python: str = "") -> EngineSpec:
    """The engine `name`; `python` is what the command line says of its interpreter, empty for nothing."""
    chosen, source = _interpreter(name, python)
    return EngineSpec(
        name=name,
        title=TITLES[name],
        module=f"engines.worker.{name}_engine",
        python=chosen,
        python_from=source,
    )


def _interpreter(name: str, python: str) -> tuple[str, str]:
    """Flag, then environment, then config.toml, then what `mnist-tui setup` made, then the app's own."""
    variable = f"MNIST_TUI_{name.upper()}_PYTHON"
    if python:
        return _resolved(python), f"--{name}-python"
    if os.environ.get(variable):
        return _resolved(os.environ[variable]), variable
    configured = paths.settings().get(f"{name}_python")
    if isinstance(configured, str) and configured:
        return _resolved(configured), str(paths.config_file())
    managed = managed_python(name)
    if managed.exists() and stamp_of(name).exists():
        return str(managed), "made by mnist-tui setup"
    return sys.executable, "the app's own interpreter"


def managed_python(name: str) -> Path:
    """Where `mnist-tui setup` puts that engine's interpreter."""
    return paths.data_dir() / "envs" / name / "bin" / "python"


def stamp_of(name: str) -> Path:
    """The file that says that this environment is whole."""
    return managed_python(name).parents[1] / ".whole"


def _resolved(python: str) -> str:
    expanded = os.path.expanduser(python)
    return shutil.which(expanded) or expanded
