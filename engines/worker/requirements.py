"""Check that an engine's framework is new enough, and explain why it could not be imported."""

from __future__ import annotations

import os
import shlex
import sys
import traceback

from engines.config import TITLES, engine_id
from engines.frameworks import PACKAGES
from engines.out_of_memory import LESS_MEMORY, is_out_of_memory
from engines.ulimits import limit_in


class TooOldError(Exception):
    """A framework is older than required; the message names both versions."""


def check(engine: str) -> None:
    """Check the versions of the imported frameworks. Raises TooOldError."""
    if problem := _too_old(engine):
        raise TooOldError(problem)


def failure(engine: str, error: BaseException) -> dict[str, str]:
    """Return the fields of RunFailed for a framework that could not be imported."""
    title = TITLES.get(engine, engine)
    modules = [package.module for package in PACKAGES.get(_variant(engine), ())] or [engine]
    install = shlex.join([sys.executable, "-m", "pip", "install", *modules])
    text = f"{type(error).__name__}: {error}"
    kind, hint = "framework", f"See the log, or run `mnist-tui doctor`. To reinstall: {install}"
    if too_old := _too_old(engine):  # the likely cause of any other error, too
        message, hint = f"{title} can't start: {too_old}.", f"{install} --upgrade"
    elif isinstance(error, ModuleNotFoundError):
        kind, message, hint = "missing-framework", f"{title} can't start: {error.name} is not installed.", install
    elif limit := limit_in(text):
        kind, message, hint = "framework", f"{title} could not be imported: {text}", limit
    elif isinstance(error, MemoryError) or is_out_of_memory(text):
        kind, message, hint = "out-of-memory", f"{title} could not be imported: {text}", LESS_MEMORY
    else:
        message = f"{title} is installed but can't be imported: {text}"
    return {"kind": kind, "message": message, "hint": hint, "traceback": traceback.format_exc()}


def _variant(engine: str) -> str:
    return engine_id(engine, os.environ.get("KERAS_BACKEND", "tensorflow"))


def _too_old(engine: str) -> str:
    """Name the installed and the required version of an outdated framework; empty when none is outdated."""
    for package in PACKAGES.get(_variant(engine), ()):
        version = _version(package.module) if package.oldest else ""
        if version and _numbers(version) < package.oldest:
            oldest = ".".join(map(str, package.oldest))
            return f"{package.title} {version} is installed, but {oldest} or newer is required"
    return ""


def _version(module: str) -> str:
    """Return the version of the module as imported, or else as installed; empty when unknown."""
    version = getattr(sys.modules.get(module), "__version__", "")
    if isinstance(version, str) and version:
        return version
    from importlib import metadata  # slow, and needed only when something is wrong

    try:
        return metadata.version(module)
    except metadata.PackageNotFoundError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    """Parse major and minor version: "2.5.0+cu124" is (2, 5)."""
    numbers = []
    for part in version.split(".")[:2]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
