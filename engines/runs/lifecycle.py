"""Lines for the log that tell what happened to a worker and its runs, between the lines that the framework prints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engines.messages.events import (
    CheckpointSaved,
    CommandSent,
    Event,
    LearningRateChanged,
    ModelReady,
    RunFailed,
    RunFinished,
    RunRequested,
    WarmedUp,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
)
from engines.plural import plural
from engines.preset_configs import preset_label

_COMMANDS = {"Pause": "you paused the run", "Resume": "you resumed the run", "Stop": "you stopped the run"}


def lifecycle_line(event: Event) -> str:
    """Return the line for an event; empty for an event that is part of a run's usual course."""
    describe = _LINES.get(type(event))
    return describe(event) if describe is not None else ""


def _describe_warm_up(event: WarmedUp) -> str:
    if event.build_seconds is None or event.first_step_seconds is None:  # a recording of an older version
        return ""
    return f"the worker warmed up: built in {event.build_seconds:.2f} s, first step in {event.first_step_seconds:.2f} s"


def _describe_rate_change(event: LearningRateChanged) -> str:
    late = f"; step {event.requested_step:,} had passed" if event.requested_step < event.global_step else ""
    return (
        f"you changed the learning rate from {event.before:g} to {event.after:g} after step {event.global_step:,}{late}"
    )


def _describe_failure(event: RunFailed) -> str:
    return "you killed the run" if event.kind == "killed" else f"the run failed: {event.message}"


def _describe_exit(event: WorkerExited) -> str:
    how = f" by {event.signal}" if event.signal else f" with exit code {event.returncode}" if event.returncode else ""
    return f"the worker ended{how}"


_LINES: dict[type[Event], Callable[[Any], str]] = {
    WorkerSpawned: lambda event: f"the worker started, process {event.pid}",
    WorkerReady: lambda event: f"{event.framework} was imported in {event.import_seconds:.1f} s",
    WarmedUp: _describe_warm_up,
    RunRequested: lambda event: (
        f"a run was requested: {preset_label(event.config)}, {plural(event.config.epochs, 'epoch')}"
    ),
    ModelReady: lambda event: f"the engine was built in {event.seconds:.2f} s",
    CommandSent: lambda event: _COMMANDS.get(event.command, event.command),
    CheckpointSaved: lambda event: f"a checkpoint was written after step {event.global_step:,}",
    LearningRateChanged: _describe_rate_change,
    RunFinished: lambda event: f"the run ended: {event.outcome}",
    RunFailed: _describe_failure,
    WorkerExited: _describe_exit,
}
