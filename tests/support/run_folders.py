"""Folders of saved runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def make_run_folder(
    runs_dir: Path, run_id: str, outcome: str = "completed", accuracy: float = 0.99, **config: Any
) -> Path:
    """Write the folder of a run of both engines that has ended; its record is empty."""
    folder = runs_dir / run_id
    folder.mkdir(parents=True)
    engines = {engine: {"preset": "reference", "seed": 0, "epochs": 12, **config} for engine in ("pytorch", "keras")}
    (folder / "config.json").write_text(json.dumps({"schema": 1, "created": "2026-01-01T12:00:00", "engines": engines}))
    pytorch = {
        "outcome": outcome,
        "test_accuracy": accuracy,
        "wall_seconds": 100.0,
        "device": "cpu",
        "dataset": "mnist",
    }
    keras = {**pytorch, "test_accuracy": accuracy - 0.001}
    (folder / "summary.json").write_text(json.dumps({"pytorch": pytorch, "keras": keras}))
    (folder / "events.jsonl").write_text("")
    return folder
