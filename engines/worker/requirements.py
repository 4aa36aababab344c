"""What each engine needs of its framework, and what to say when it is not there, too old, or broken."""

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
    """A framework that imports and will not do; the message says what was found and what is needed."""


def check(engine: str) -> None:
    """Raises TooOldError when a framework that was imported is too old."""
    if said := _too_old(engine):
        raise TooOldError(said)


def failure(engine: str, error: BaseException) -> dict[str, str]:
    """The fields of RunFailed for a framework that could not be imported."""
    title = TITLES.get(engine, engine)
    modules = [package.module for package in PACKAGES.get(_variant(engine), ())] or [engine]
    install = shlex.join([sys.executable, "-m", "pip", "install", *modules])
    text = f"{type(error).__name__}: {error}"
    kind, hint = "framework", f"See the log; `mnist-tui doctor` looks closer. To install it anew: {install}"
    if too_old := _too_old(engine):  # also what an old one stumbles over is said best like this
        message, hint = f"{title} can't start: {too_old}.", f"{install} --upgrade"
    elif isinstance(error, ModuleNotFoundError):
        kind, message, hint = "missing-framework", f"{title} can't start: {error.name} is not installed.", install
    elif limit := limit_in(text):
        kind, message, hint = "framework", f"{title} could not be imported: {text}", limit
    elif isinstance(error, MemoryError) or is_out_of_memory(text):
        kind, message, hint = "out-of-memory", f"{title} could not be imported: {text}", LESS_MEMORY
    else:
        message = f"{title} is installed but does not import: {text}"
    return {"kind": kind, "message": message, "hint": hint, "traceback": traceback.format_exc()}


def _variant(engine: str) -> str:
    return engine_id(engine, os.environ.get("KERAS_BACKEND", "tensorflow"))


def _too_old(engine: str) -> str:
    """What was found and what is needed; empty when all is new enough, or not there at all."""
    for package in PACKAGES.get(_variant(engine), ()):
        found = _version(package.module) if package.oldest else ""
        if found and _numbers(found) < package.oldest:
            return f"{package.title} {found} was found, and {'.'.join(map(str, package.oldest))} or newer is needed"
    return ""


def _version(module: str) -> str:
    """Of the imported module, or of what is installed; empty when neither tells."""
    found = getattr(sys.modules.get(module), "__version__", "")
    if isinstance(found, str) and found:
        return found
    from importlib import metadata  # slow, and needed only when something is wrong

    try:
        return metadata.version(module)
    except metadata.PackageNotFoundError:
        return ""


def _numbers(version: str) -> tuple[int, ...]:
    """(2, 5) of "2.5.0+cu124"."""
    numbers = []
    for part in version.split(".")[:2]:
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        numbers.append(int(digits))
    return tuple(numbers)
