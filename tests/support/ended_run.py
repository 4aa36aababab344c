"""Histories of runs that have ended."""

from __future__ import annotations

from engines.messages.events import EvalCompleted, RunFinished, RunRequested
from engines.preset_configs import from_settings
from engines.runs.history import RunHistory


def ended_run(engine: str, seed: int, correct: int, *, steps: int = 100, outcome: str = "completed") -> RunHistory:
    """Return a history that ends with so many of 10,000 digits read correctly."""
    history = RunHistory(engine)
    mistakes = tuple((i, 0, 1) for i in range(10_000 - correct))
    accuracy = correct / 10_000
    history.apply(RunRequested(engine=engine, t=0.0, config=from_settings({"seed": seed})))
    history.apply(EvalCompleted(
        engine=engine, t=1.0, epoch=1, global_step=steps, split="test", loss=0.1, accuracy=accuracy, seconds=0.1,
        train_seconds=1.0, confusion=(10_000,), mistakes=mistakes,
    ))  # fmt: skip
    history.apply(RunFinished(
        engine=engine, t=2.0, outcome=outcome, test_accuracy=accuracy, test_loss=0.1, best_epoch=1, train_seconds=1.0,
        wall_seconds=2.0,
    ))  # fmt: skip
    return history
