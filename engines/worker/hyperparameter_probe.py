"""Write every hyperparameter of this framework as JSON, for the table of hyperparameters."""

from __future__ import annotations

import json
from pathlib import Path

from engines.config import TrainConfig
from engines.experiment.contract import EngineModule
from engines.messages.codec import from_plain


def run(module: EngineModule, path: Path, configs: str) -> None:
    """Write the framework's version and every hyperparameter of the named configs (JSON), in its own terms, to `path` as JSON."""
    values = {
        name: {"default.tf32": module.TF32_DEFAULT, **module.hyperparameters(from_plain(TrainConfig, plain))}
        for name, plain in json.loads(configs).items()
    }
    answer = {"framework": module.framework(), "reports": values}
    path.write_text(json.dumps(answer, default=str), encoding="utf-8")
