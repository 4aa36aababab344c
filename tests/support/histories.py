"""Histories of simulated runs."""

from __future__ import annotations

from collections.abc import Sequence

from engines.api import TrainConfig
from engines.messages.events import EvalCompleted, RunRequested, RunStarted, TrainProgress
from engines.runs.history import RunHistory


def simulated_run(
    engine: str, seconds_per_step: float, steps: int = 100, slow_after: int | None = None, start: float = 10.0
) -> RunHistory:
    """Return the history of a run of `steps` steps, 50 to an epoch, which is three times slower after step `slow_after`.

    At step n the loss is 1/n and the accuracy 1 - 1/n.
    """
    history, t, config = RunHistory(engine), start, TrainConfig()
    history.apply(RunRequested(engine=engine, t=t, config=config))
    history.apply(
        RunStarted(
            engine=engine,
            t=t,
            config=config,
            device="cpu",
            precision="fp32",
            num_threads=1,
            steps_per_epoch=50,
            total_steps=200,
        )
    )
    for step in range(1, steps + 1):
        t += seconds_per_step * (3 if slow_after is not None and step > slow_after else 1)
        history.apply(
            TrainProgress(
                engine=engine,
                t=t,
                epoch=1 + (step - 1) // 50,
                step=1 + (step - 1) % 50,
                global_step=step,
                samples_seen=step,
                loss=1 / step,
                accuracy=1 - 1 / step,
                samples_per_sec=1.0,
                learning_rate=1.0,
            )
        )
    return history


def evaluated_run(accuracies: Sequence[float], engine: str = "keras") -> RunHistory:
    """Return the history of a run with these test accuracies, one every 50 steps."""
    history = simulated_run(engine, 0.5, 50 * len(accuracies))
    for i, accuracy in enumerate(accuracies, 1):
        wrong = tuple((n, 0, 1) for n in range(round(10_000 * (1 - accuracy))))
        history.apply(
            EvalCompleted(
                engine=engine,
                t=history.last_t,
                epoch=i,
                global_step=50 * i,
                split="test",
                loss=1 - accuracy,
                accuracy=accuracy,
                seconds=1.0,
                confusion=(100,) * 100,
                mistakes=wrong,
            )
        )
    return history
