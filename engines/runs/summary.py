"""summary.json: one engine's results, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engines.messages.codec import to_plain
from engines.runs.comparison import time_caveat, verdict
from engines.runs.history import INTERRUPTED, RunHistory


def _summaries(histories: Mapping[str, RunHistory]) -> dict[str, Any]:
    said = verdict(histories)
    shared = {"times": time_caveat(histories) or "comparable", "verdict": to_plain(said) if said else None}
    return {**{engine: summary(h) for engine, h in histories.items()}, "comparison": shared}


def summary(history: RunHistory) -> dict[str, Any]:
    """What is worth knowing of a run that ended, as plain JSON values."""
    finished = history.finished
    plain = {
        "outcome": history.outcome or INTERRUPTED,
        "framework": history.framework,
        "device": history.started.device if history.started else "",
        "dataset": history.data.dataset if history.data else "",
        "dataset_sha256": history.data.sha256 if history.data else "",
        "test_accuracy": history.test_accuracy,
        "test_loss": history.test_loss,
        "epochs": history.epochs_done,
        "test_interval_95": history.test_interval,
        "global_step": history.global_step,
        "train_seconds": finished.train_seconds if finished else history.epoch_seconds,
        "wall_seconds": history.wall_seconds(history.last_t) if finished else None,
        "began_cold": history.began_cold,
        "import_seconds": history.worker.import_seconds if history.worker else None,
        "data_seconds": history.data.seconds if history.data else None,
        "build_seconds": history.model.seconds if history.model else None,
        "first_step_seconds": history.first_step_seconds,
        "reached": {
            f"{m.accuracy:.4g}": {
                "wall_seconds": m.wall_seconds,
                "train_seconds": m.train_seconds,
                "epoch": m.epoch,
                "global_step": m.global_step,
            }
            for m in history.milestones
        },
        "failure": history.failure.message if history.failure else "",
    }
    return dict(to_plain(plain))
