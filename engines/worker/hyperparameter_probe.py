"""Write every hyperparameter of this framework as JSON, for the table of hyperparameters."""

from __future__ import annotations

import json
from pathlib import Path

from engines.config import TrainConfig
from engines.experiment.contract import EngineModule
from engines.messages.codec import from_plain


def run(module: EngineModule, path: Path, configs: str) -> None:
    """Write every hyperparameter of the named configs (JSON), in the framework's own terms, to `path` as JSON."""
    values = {
        name: {"default.tf32": module.TF32_DEFAULT, **module.hyperparameters(from_plain(TrainConfig, plain))}
        for name, plain in json.loads(configs).items()
    }
    path.write_text(json.dumps(values, default=str), encoding="utf-8")
