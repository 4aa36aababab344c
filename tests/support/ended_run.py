"""Histories of runs that have ended."""

from __future__ import annotations

from typing import Any

from engines.messages.events import EpochCompleted, EvalCompleted, Event, RunFinished, RunRequested
from engines.preset_configs import from_settings
from engines.runs.history import RunHistory


def ended_run(
    engine: str, seed: int, correct: int, *, steps: int = 100, outcome: str = "completed", **values: Any
) -> RunHistory:
    """Return a history that ends with so many of 10,000 digits read correctly; `values` are those of `ended_run_events`."""
    history = RunHistory(engine)
    for event in ended_run_events(engine, seed, correct, steps=steps, outcome=outcome, **values):
        history.apply(event)
    return history


def ended_run_events(
    engine: str,
    seed: int,
    correct: int,
    *,
    steps: int = 100,
    outcome: str = "completed",
    run_id: str = "",
    epoch_times: tuple[float, ...] = (1.0,),
    **settings: Any,
) -> list[Event]:
    """Return the events of a run that ends with so many of 10,000 digits read correctly, tested after its last epoch."""
    accuracy, seconds = correct / 10_000, sum(epoch_times)
    mistakes = tuple((i, 0, 1) for i in range(10_000 - correct))
    confusion = (correct, 10_000 - correct, *98 * (0,))
    one: dict[str, Any] = {"engine": engine, "run_id": run_id}
    return [
        RunRequested(**one, t=0.0, config=from_settings({"seed": seed, **settings})),
        EvalCompleted(
            **one, t=seconds, epoch=len(epoch_times), global_step=steps, split="test", loss=0.1, accuracy=accuracy, seconds=0.1,
            train_seconds=seconds, confusion=confusion, mistakes=mistakes,
        ),
        *(
            EpochCompleted(
                **one, t=seconds, epoch=epoch, train_loss=0.1, train_accuracy=0.9, train_seconds=its, samples_per_sec=100.0,
                first_step_seconds=None,
            )
            for epoch, its in enumerate(epoch_times, 1)
        ),
        RunFinished(
            **one, t=seconds + 1, outcome=outcome, test_accuracy=accuracy, test_loss=0.1, best_epoch=1, train_seconds=seconds,
            wall_seconds=seconds + 1,
        ),
    ]  # fmt: skip
