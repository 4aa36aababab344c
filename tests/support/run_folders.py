"""Folders of kept runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def keep(runs: Path, run: str, outcome: str = "completed", accuracy: float = 0.99, **config: Any) -> Path:
    """A run as it lies on disk, its summary written."""
    folder = runs / run
    folder.mkdir(parents=True)
    engines = {engine: {"preset": "reference", "seed": 0, "epochs": 12, **config} for engine in ("pytorch", "keras")}
    (folder / "config.json").write_text(json.dumps({"schema": 1, "created": "2026-01-01T12:00:00", "engines": engines}))
    its = {"outcome": outcome, "test_accuracy": accuracy, "wall_seconds": 100.0, "device": "cpu", "dataset": "mnist"}
    (folder / "summary.json").write_text(
        json.dumps({"pytorch": its, "keras": {**its, "test_accuracy": accuracy - 0.001}})
    )
    (folder / "events.jsonl").write_text("")
    return folder
