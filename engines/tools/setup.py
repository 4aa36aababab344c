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
from engines.tools import builds

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


def advice(engine: str, kind: str) -> list[str]:
    """Return a sentence for each thing that the user should know about the build that suits this machine's GPUs."""
    return builds.choose_build(engine, builds.machine_gpus())[1] if kind == "gpu" else []


def plan(engine: str, kind: str) -> list[list[str]]:
    """Return the commands that make the environment of an engine id such as "keras-jax"; `kind` is "cpu" or "gpu".

    The build that suits this machine's driver and GPUs may come from PyTorch's own index, which has no Keras.
    Raises SetupError when a package has no wheel for this Python.
    """
    if problem := builds.missing_wheel(engine, kind):
        raise SetupError(problem)
    python, uv, packages = managed_python(engine), shutil.which("uv"), PACKAGES[engine][kind]
    folder, groups, clear = str(python.parents[1]), [[*packages]], False
    if kind == "gpu":
        index = builds.choose_build(engine, builds.machine_gpus())[0].index
        clear = _holds_other_build(python.parents[1], index)
        if index:
            own = [package for package in packages if package.startswith("torch")]
            groups = [["--index-url", index, *own], [package for package in packages if package not in own]]
    if uv:
        venv = [uv, "venv", "--clear" if clear else "--allow-existing", "--python", sys.executable, folder]
        install = [uv, "pip", "install", "--python", str(python)]
    else:
        venv = [sys.executable, "-m", "venv", *(["--clear"] if clear else []), folder]
        install = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-user"]
    return [venv, *([*install, *group] for group in groups)]


def _holds_other_build(folder: Path, index: str) -> bool:
    """Return whether an environment holds a PyTorch of another index, which pip would keep: "2.14.1+cu126" is from .../cu126."""
    names = [path.name for path in folder.glob("lib/python*/site-packages/torch-*.dist-info")]
    return any(name.removesuffix(".dist-info").partition("+")[2] != index.rpartition("/")[2] for name in names)


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
    environment["KERAS_HOME"] = os.devnull  # the last command imports Keras, without the user's keras.json
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
