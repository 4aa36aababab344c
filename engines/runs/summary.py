"""The content of summary.json: the results of a run's engines, as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engines.messages.codec import to_plain
from engines.runs.comparison import time_caveat, verdict
from engines.runs.history import RunHistory
from engines.runs.phases import INTERRUPTED


def run_summary(histories: Mapping[str, RunHistory]) -> dict[str, Any]:
    """Return the summary of each engine, and their comparison."""
    result = verdict(histories)
    compared = sorted((one for h in histories.values() for one in h.twins), key=lambda one: one.global_step)
    comparison = {
        "times": time_caveat(histories) or "comparable",
        "verdict": to_plain(result) if result else None,
        "twins": [
            {
                "epoch": one.epoch,
                "weights_apart": dict(one.layers),
                "answers_apart": one.answers,
                "test_size": one.test_size,
            }
            for one in compared
        ],
    }
    return {**{engine: engine_summary(h) for engine, h in histories.items()}, "comparison": comparison}


def engine_summary(history: RunHistory) -> dict[str, Any]:
    """Return one engine's results; a run without an end counts as interrupted."""
    finished, warm_up = history.finished, history.warm_up
    plain = {
        "outcome": history.outcome or INTERRUPTED,
        "framework": history.framework,
        "device": history.started.device if history.started else "",
        "dataset": history.data.dataset if history.data else "",
        "dataset_sha256": history.data.sha256 if history.data else "",
        "judged_by": history.split,
        "validation_size": history.data.validation_size if history.data else None,
        "validation_sha256": history.data.validation_sha256 if history.data else "",
        "best_accuracy": history.best_accuracy,
        "best_epoch": history.best_epoch,
        "test_accuracy": history.test_accuracy,
        "test_loss": history.test_loss,
        "epochs": history.epochs_done,
        "learning_rate_changes": [
            {"global_step": one.global_step, "before": one.before, "after": one.after} for one in history.rate_changes
        ],
        "test_interval_95": history.test_interval,
        "global_step": history.global_step,
        "train_seconds": finished.train_seconds if finished else history.epoch_seconds,
        "wall_seconds": history.wall_seconds(history.last_t) if history.requested_t is not None else None,
        "began_cold": history.cold_start,
        "jobs": history.jobs,
        "import_seconds": history.worker.import_seconds if history.worker else None,
        "data_seconds": history.data.seconds if history.data else None,
        "build_seconds": history.model.seconds if history.model else None,
        "first_step_seconds": history.first_step_seconds,
        "warm_up": {"build_seconds": warm_up.build_seconds, "first_step_seconds": warm_up.first_step_seconds}
        if warm_up
        else None,
        "reached": {
            f"{milestone.accuracy:.4g}": {
                "wall_seconds": milestone.wall_seconds,
                "train_seconds": milestone.train_seconds,
                "epoch": milestone.epoch,
                "global_step": milestone.global_step,
            }
            for milestone in history.milestones
        },
        "failure": history.failure.message if history.failure else "",
    }
    return dict(to_plain(plain))
