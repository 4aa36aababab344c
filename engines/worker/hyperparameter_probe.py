"""Write every hyperparameter of this framework as JSON, for the hyperparameter table."""

from __future__ import annotations

import json
from pathlib import Path

from engines.config import TrainConfig
from engines.experiment.contract import EngineModule
from engines.messages.codec import from_plain


def describe(module: EngineModule, answer: Path, configs: str) -> None:
    """Write every hyperparameter of the named configs (JSON), in the library's own words, as JSON."""
    said = {
        name: {"default.tf32": module.TF32_DEFAULT, **module.hyperparameters(from_plain(TrainConfig, plain))}
        for name, plain in json.loads(configs).items()
    }
    answer.write_text(json.dumps(said, default=str), encoding="utf-8")
