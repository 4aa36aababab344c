"""Specify each engine's worker: its module, and the interpreter that runs it."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from engines.config import TITLES, engine_id
from engines.record import Record
from engines.user_path import user_path

OWN = "the app's own interpreter"
MANAGED = "made by mnist-tui setup"


class EngineSpec(Record):
    """The specification of one engine's worker."""

    name: str
    title: str
    module: str
    """The engine's module, or the path of its file."""
    python: str
    """The path of the interpreter."""
    python_source: str = OWN
    """The origin of that interpreter, for the user."""
    backend: str = "tensorflow"
    """Keras' backend; no other engine reads it."""


def engine_spec(name: str, python: str = "", backend: str = "tensorflow") -> EngineSpec:
    """Return the specification of the engine `name`; `python` is the interpreter that the command line names, if any."""
    interpreter, source = _interpreter(name, python, backend)
    return EngineSpec(
        name=name,
        title=TITLES[name],
        module=f"engines.{engine_id(name, backend).replace('-', '_')}.engine",
        python=interpreter,
        python_source=source,
        backend=backend,
    )


def for_backend(spec: EngineSpec, backend: str) -> EngineSpec:
    """Return the specification for Keras on `backend`; an interpreter that the command line names stays."""
    if spec.name != "keras" or spec.backend == backend:
        return spec
    named = spec.python if spec.python_source == _flag(spec.name) else ""
    return engine_spec(spec.name, named, backend)


def _flag(name: str) -> str:
    return f"--{name}-python"


def _interpreter(name: str, python: str, backend: str) -> tuple[str, str]:
    """Return (interpreter, origin): of the flag, the environment, config.toml, `mnist-tui setup`, or the app, in this order."""
    variable = f"MNIST_TUI_{name.upper()}_PYTHON"
    if python:
        return _resolve(python), _flag(name)
    if os.environ.get(variable):
        return _resolve(os.environ[variable]), variable
    from engines import paths  # needs platformdirs, which a machine that only trains may lack

    configured = paths.settings().get(f"{name}_python")
    if isinstance(configured, str) and configured:
        return _resolve(configured), str(paths.config_file())
    variant = engine_id(name, backend)
    managed, marker = managed_python(variant), completion_marker(variant)
    if os.path.exists(managed) and os.path.exists(marker):  # False, not an error, in a home that can't be entered
        return str(managed), MANAGED
    return sys.executable, OWN


def managed_python(variant: str) -> Path:
    """Return the path of the interpreter that `mnist-tui setup` makes for an engine, or for Keras on a backend."""
    from engines import paths  # as above

    return paths.data_dir() / "envs" / variant / "bin" / "python"


def completion_marker(variant: str) -> Path:
    """Return the path of the file that marks this environment as complete."""
    return managed_python(variant).parents[1] / ".whole"


def _resolve(python: str) -> str:
    """Return the absolute path of an interpreter; a name that is not on PATH stays."""
    path = shutil.which(python) or python
    return str(user_path(path)) if os.sep in path else path
