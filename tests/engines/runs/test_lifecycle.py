"""Lines of the log about a worker and its runs."""

from __future__ import annotations

import pytest

from engines.config import TrainConfig
from engines.messages.events import (
    CommandSent,
    Event,
    Heartbeat,
    RunFailed,
    RunRequested,
    WarmedUp,
    WorkerExited,
    WorkerSpawned,
)
from engines.runs.history import RunHistory
from engines.runs.lifecycle import lifecycle_line
from tests.support.run_events import life


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (WorkerSpawned(engine="e", pid=7, interpreter="python"), "the worker started, process 7"),
        (
            RunRequested(engine="e", config=TrainConfig(epochs=1)),
            "a run was requested: reference, changed: epochs 1, 1 epoch",
        ),
        (
            WarmedUp(engine="e", samples_per_sec=1.0, build_seconds=3.46, first_step_seconds=0.31),
            "the worker warmed up: built in 3.46 s, first step in 0.31 s",
        ),
        (WarmedUp(engine="e", samples_per_sec=1.0), ""),
        (CommandSent(engine="e", command="Stop"), "you stopped the run"),
        (RunFailed(engine="e", kind="killed", message="Killed in epoch 1."), "you killed the run"),
        (RunFailed(engine="e", kind="internal", message="ValueError: no."), "the run failed: ValueError: no."),
        (WorkerExited(engine="e", returncode=-9, signal="SIGKILL", log_tail=()), "the worker ended by SIGKILL"),
        (WorkerExited(engine="e", returncode=3, signal="", log_tail=()), "the worker ended with exit code 3"),
        (WorkerExited(engine="e", returncode=0, signal="", log_tail=()), "the worker ended"),
        (Heartbeat(engine="e"), ""),
    ],
)
def test_an_event_has_a_line(event: Event, line: str) -> None:
    assert lifecycle_line(event) == line


def test_a_log_is_never_empty_once_a_worker_started() -> None:
    history = RunHistory("keras")
    for event in life():
        history.apply(event)
    texts = [line.text for line in history.log if line.stream == "app"]
    assert texts == [
        "a run was requested: reference, changed: epochs 2, 2 epochs",
        "the worker started, process 42",
        "F 1 was imported in 2.5 s",
        "the engine was built in 0.50 s",
        "the run ended: completed",
    ]
    assert history.log_count == len(history.log)
