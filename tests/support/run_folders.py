"""Folders of saved runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from engines.messages.codec import encode
from tests.support.ended_run import ended_run_events


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


def make_seed_folders(
    runs_dir: Path, correct: dict[int, tuple[int, int]], *, start: str = "20260101", **settings: Any
) -> list[Path]:
    """Write the folders of a series: by seed, how many of 10,000 digits PyTorch and Keras read correctly."""
    folders: list[Path] = []
    settings = {"device": "cpu", "seeds": len(correct), **settings}
    for i, (seed, figures) in enumerate(correct.items()):
        run_id = f"{start}-12000{i}-seed{seed}-1234"
        folder = make_run_folder(runs_dir, run_id, seed=seed, **settings)
        config = json.loads((folder / "config.json").read_text())
        series = folders[0].name if folders else ""
        (folder / "config.json").write_text(json.dumps({**config, "series": series}))
        events = [
            encode(event)
            for engine, its in zip(("pytorch", "keras"), figures, strict=True)
            for event in ended_run_events(
                engine, seed, its, run_id=run_id, epoch_times=_EPOCH_TIMES[engine], **settings
            )
        ]
        (folder / "events.jsonl").write_text("\n".join(events) + "\n")
        folders.append(folder)
    return folders


_EPOCH_TIMES = {"pytorch": (60.2, 59.9, 60.4), "keras": (30.1, 30.6, 29.8)}


def checkpoints(runs: Path) -> list[Path]:
    """Return the checkpoints in all runs, without those of best epochs and what is being written."""
    return [path for path in runs.glob("*/[!.]*.npz") if ".best." not in path.name]
