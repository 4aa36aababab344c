"""Import an optional module beside an engine's, as `engines.experiment.contract` describes them."""

from __future__ import annotations

import importlib
from typing import Any

from engines.experiment.contract import EngineModule


def neighbour(module: EngineModule, name: str) -> Any:
    """Import the module of that name beside the engine's; None for an engine outside of this project."""
    package = module.__package__ or ""
    return importlib.import_module(f"{package}.{name}") if package.startswith("engines.") else None
