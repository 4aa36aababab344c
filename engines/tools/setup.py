"""Make a separate environment for each framework, so that both can have their own CUDA libraries.

Today's PyTorch (CUDA 13) and tensorflow[and-cuda] (CUDA 12) overwrite each other's cuDNN and NCCL files in one environment.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from engines import frameworks, paths
from engines.atomic_file import write_atomically
from engines.supervision.registry import completion_marker, managed_python

PACKAGES = {
    engine: {
        "cpu": (*(package.module for package in packages), "numpy"),
        "gpu": (*(package.for_gpu or package.module for package in packages), "numpy"),
    }
    for engine, packages in frameworks.PACKAGES.items()
}
"""The packages to install, by engine id and kind."""

_REMOVED_VARIABLES = ("PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PYTHONHOME", "PYTHONPATH")
"""Variables that make pip install elsewhere, or skip what is already installed elsewhere."""

IMPORTS = {engine: tuple(package.module for package in packages) for engine, packages in frameworks.PACKAGES.items()}


class SetupError(Exception):
    """An environment could not be made; the message says which command failed."""


def plan(engine: str, kind: str) -> list[list[str]]:
    """Return the commands that make the environment of an engine id such as "keras-jax"; `kind` is "cpu" or "gpu"."""
    python = managed_python(engine)
    folder, packages = str(python.parents[1]), PACKAGES[engine][kind]
    uv = shutil.which("uv")
    if uv:
        return [
            [uv, "venv", "--allow-existing", "--python", sys.executable, folder],
            [uv, "pip", "install", "--python", str(python), *packages],
        ]
    return [
        [sys.executable, "-m", "venv", folder],
        [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-user", *packages],
    ]


def build(engine: str, kind: str, on_command: Callable[[str], None]) -> Path:
    """Make or complete the engine's environment; return its interpreter. Raises SetupError.

    `on_command` gets each command before it runs. The environment is used only once its completion marker is written, at the very
    end; running this again continues an incomplete one.
    """
    marker = completion_marker(engine)
    if not paths.can_exist(marker.parent):
        raise SetupError(f"{marker.parent} can't be made. {paths.OTHER_HOME}")
    try:
        marker.unlink(missing_ok=True)
    except OSError as error:
        raise SetupError(f"{marker} could not be removed: {error.strerror}.") from error
    environment = {name: value for name, value in os.environ.items() if name not in _REMOVED_VARIABLES}
    for command in [*plan(engine, kind), _check(engine)]:
        on_command("$ " + shlex.join(command))
        try:
            done = subprocess.run(command, env=environment, check=False)
        except OSError as error:
            raise SetupError(f"{command[0]} could not be started: {error.strerror}.") from error
        if done.returncode:
            raise SetupError(
                f"This failed with code {done.returncode}: {shlex.join(command)}."
                " Fix what it printed above, then run setup again: it continues from here."
            )
    try:
        write_atomically(marker, lambda part: part.write_text(kind + "\n", encoding="utf-8"))
    except OSError as error:
        raise SetupError(f"{marker} could not be written: {error.strerror}.") from error
    return managed_python(engine)


def _check(engine: str) -> list[str]:
    """Return the command that imports what was installed."""
    backend = engine.partition("-")[2] or "tensorflow"
    code = f'import os; os.environ["KERAS_BACKEND"] = "{backend}"; import {", ".join(IMPORTS[engine])}'
    return [str(managed_python(engine)), "-I", "-c", code]  # -I ignores a folder named keras in the current one
