"""Which engines exist, and in which interpreter each one's worker runs."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from engines import paths
from engines.config import TITLES, engine_id
from engines.record import Record

OWN = "the app's own interpreter"
MANAGED = "made by mnist-tui setup"


class EngineSpec(Record):
    """How to start one engine's worker."""

    name: str
    title: str
    module: str
    """The engine's module, or the path of its file."""
    python: str
    """The interpreter."""
    python_source: str = OWN
    """Why that interpreter, for people."""
    backend: str = "tensorflow"
    """What Keras computes with; no other engine minds."""


def engine_spec(name: str, python: str = "", backend: str = "tensorflow") -> EngineSpec:
    """The engine `name`; `python` is what the command line says of its interpreter, empty for nothing; `backend` is Keras'."""
    chosen, source = _interpreter(name, python, backend)
    return EngineSpec(
        name=name,
        title=TITLES[name],
        module=f"engines.{engine_id(name, backend).replace('-', '_')}.engine",
        python=chosen,
        python_source=source,
        backend=backend,
    )


def for_backend(spec: EngineSpec, backend: str) -> EngineSpec:
    """The same engine where Keras is to compute with `backend`; an interpreter that the command line names stays."""
    if spec.name != "keras" or spec.backend == backend:
        return spec
    named = spec.python if spec.python_source == _flag(spec.name) else ""
    return engine_spec(spec.name, named, backend)


def _flag(name: str) -> str:
    return f"--{name}-python"


def _interpreter(name: str, python: str, backend: str) -> tuple[str, str]:
    """Flag, then environment, then config.toml, then what `mnist-tui setup` made, then the app's own."""
    variable = f"MNIST_TUI_{name.upper()}_PYTHON"
    if python:
        return _resolved(python), _flag(name)
    if os.environ.get(variable):
        return _resolved(os.environ[variable]), variable
    configured = paths.settings().get(f"{name}_python")
    if isinstance(configured, str) and configured:
        return _resolved(configured), str(paths.config_file())
    place = engine_id(name, backend)
    managed = managed_python(place)
    if os.path.exists(managed) and os.path.exists(
        completion_marker(place)
    ):  # which say no of a home that can't be entered
        return str(managed), MANAGED
    return sys.executable, OWN


def managed_python(name: str) -> Path:
    """Where `mnist-tui setup` puts the interpreter of that engine, or of that variant of it."""
    return Path(absolute(str(paths.data_dir() / "envs" / name / "bin" / "python")))


def completion_marker(name: str) -> Path:
    """The file that says that this environment is whole."""
    return managed_python(name).parents[1] / ".whole"


def _resolved(python: str) -> str:
    expanded = os.path.expanduser(python)
    found = shutil.which(expanded) or expanded
    return absolute(found) if os.sep in found else found


def absolute(path: str) -> str:
    """The same path for a process that begins in another folder; an empty one stays empty."""
    try:
        return os.path.abspath(path) if path else ""
    except OSError:  # the current folder is gone, and with it what a relative path meant
        return os.path.join(os.sep, path)
