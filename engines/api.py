"""The one module of the engines that the front ends import.

api.pyi lists its names, for readers, type checkers and this module. Each is imported when it is first used, so that the first paint
of the app waits for no worker, no file format and no library that it does not need.
"""

import re
from importlib import import_module
from pathlib import Path
from typing import Any


def _read_stub() -> dict[str, tuple[str, str]]:
    """Return (module, name in it) of every name that api.pyi re-exports."""
    stub = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    imports = re.findall(r"^from (\S+) import (\([^)]*\)|.*)$", stub, re.MULTILINE)
    return {
        public: (module, name) for module, names in imports for name, public in re.findall(r"(\w+) as (\w+)", names)
    }


_SOURCES = _read_stub()
__all__ = list(_SOURCES)  # what api.pyi lists


def __getattr__(name: str) -> Any:
    """Import a name that api.pyi lists. Raises AttributeError for any other."""
    if name not in _SOURCES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _SOURCES[name]
    package = import_module(module)
    value = getattr(package, attribute, None)
    globals()[name] = value = import_module(f"{module}.{attribute}") if value is None else value
    return value


def __dir__() -> list[str]:
    """List the names of api.pyi."""
    return __all__
