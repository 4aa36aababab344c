"""Histories of simulated runs."""

from __future__ import annotations

from engines.api import TrainConfig
from engines.messages.events import RunRequested, RunStarted, TrainProgress
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
