"""The events of a worker's life: one run of two epochs of four steps."""

from __future__ import annotations

from dataclasses import replace

from engines.config import TrainConfig
from engines.messages.events import (
    DataReady,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    Event,
    ModelReady,
    RunFinished,
    RunRequested,
    RunStarted,
    TrainProgress,
    WorkerReady,
    WorkerSpawned,
)

CONFIG = TrainConfig(epochs=2)

EVAL = {"split": "test", "loss": 0.1, "seconds": 1.0, "confusion": (0,) * 100, "mistakes": ()}


def _progress(epoch: int, step: int, t: float) -> TrainProgress:
    global_step = (epoch - 1) * 4 + step
    return TrainProgress(
        engine="keras", t=t, epoch=epoch, step=step, global_step=global_step, samples_seen=global_step * 8,
        loss=1.0 / global_step, accuracy=0.5, samples_per_sec=100.0, learning_rate=1.0,
    )  # fmt: skip


def life() -> list[Event]:
    """Return all events of one run of two epochs of four steps, in order."""
    e = "keras"
    epochs = [EpochCompleted(engine=e, t=t, epoch=n, train_loss=0.2, train_accuracy=0.9, train_seconds=4.0,
                             samples_per_sec=8.0, first_step_seconds=0.5 if n == 1 else None)
              for n, t in ((1, 20.0), (2, 30.0))]  # fmt: skip
    events: list[Event] = [
        RunRequested(engine=e, t=0.0, run_id="r", config=CONFIG),
        WorkerSpawned(engine=e, t=0.1, pid=42, interpreter="python"),
        WorkerReady(engine=e, t=3.0, pid=42, framework="F 1", version="1", devices=(), num_threads=1, import_seconds=2.5),
        DataReady(engine=e, t=4.0, dataset="mnist", source="x", sha256="0", train_size=32, test_size=8, seconds=0.5),
        ModelReady(engine=e, t=5.0, layers=(("a", 1),), parameters=1, seconds=0.5),
        RunStarted(engine=e, t=5.0, config=CONFIG, device="cpu", precision="fp32", num_threads=1, steps_per_epoch=4, total_steps=8),
        EpochStarted(engine=e, t=5.0, epoch=1, order_sha256="a"),
        *(_progress(1, n, 5.0 + n) for n in (1, 2, 3, 4)),
        EvalCompleted(engine=e, t=11.0, epoch=1, global_step=4, accuracy=0.975, **EVAL),  # type: ignore[arg-type]
        epochs[0],
        EpochStarted(engine=e, t=20.0, epoch=2, order_sha256="b"),
        *(_progress(2, n, 20.0 + n) for n in (1, 2, 3, 4)),
        EvalCompleted(engine=e, t=25.0, epoch=2, global_step=8, accuracy=0.992, **EVAL),  # type: ignore[arg-type]
        epochs[1],
        RunFinished(engine=e, t=30.0, outcome="completed", test_accuracy=0.992, test_loss=0.1, best_epoch=2,
                    train_seconds=8.0, wall_seconds=30.0),
    ]  # fmt: skip
    return [numbered(event, i) for i, event in enumerate(events, start=1)]


def numbered(event: Event, seq: int) -> Event:
    """Return the event with that number, in the run "r"."""
    return replace(event, seq=seq, run_id="r")


def validated_life() -> list[Event]:
    """Return the events of the same run, judged by 16 held-out digits: 97.5, then 96 % of them; at the end 6 of 8 test digits."""
    confusion = tuple(6 if i == 0 else 2 if i == 1 else 0 for i in range(100))
    events: list[Event] = []
    for event in life():
        if isinstance(event, RunRequested | RunStarted):
            event = replace(event, config=replace(CONFIG, validation=16))
        elif isinstance(event, DataReady):
            event = replace(event, train_size=16, validation_size=16, validation_sha256="1")
        elif isinstance(event, EvalCompleted):
            accuracy = 0.96 if event.epoch == 2 else event.accuracy
            event = replace(event, split="validation", accuracy=accuracy, confusion=(), mistakes=())
        elif isinstance(event, RunFinished):
            event = replace(event, test_accuracy=0.75, test_loss=0.3, best_epoch=1)
        events.append(event)
        if isinstance(event, EvalCompleted) and event.epoch == 2:
            test = replace(event, t=26.0, split="test", accuracy=0.75, loss=0.3, confusion=confusion)
            events.append(replace(test, mistakes=((3, 0, 1), (5, 0, 1))))
    return [numbered(event, i) for i, event in enumerate(events, start=1)]
