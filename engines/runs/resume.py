"""Resume points: what is needed to continue a run that ended early, or to train a finished one for more epochs."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.config import CHANGEABLE_ON_RESUME, ENGINES, TITLES, ConfigError, TrainConfig, problems
from engines.messages.codec import ProtocolError, from_plain
from engines.messages.events import (
    CheckpointSaved,
    DataReady,
    Diverged,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    Event,
    LearningRateChanged,
    ModelReady,
    ModelSaved,
    RunFinished,
    RunRequested,
    RunStarted,
    TrainProgress,
    TwinsCompared,
    WarmedUp,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
)
from engines.plural import plural
from engines.record import Record
from engines.runs.reader import open_record, read_events

if TYPE_CHECKING:
    from engines.experiment.progress import Position

WORKER_EVENTS = (WorkerSpawned, WorkerReady, WarmedUp, WorkerExited)
"""Events of a worker's life, apart from its runs."""

_REPEATED_WHEN_FINISHED = (
    RunRequested, WorkerSpawned, WorkerReady, WarmedUp, DataReady, ModelReady, RunStarted, EpochStarted, TrainProgress,
    EvalCompleted, EpochCompleted, CheckpointSaved, ModelSaved, Diverged,
    LearningRateChanged, TwinsCompared, RunFinished,
)  # fmt: skip
"""Events of a finished run that the record of the resumed run repeats."""


class ResumeError(Exception):
    """A run that can't be resumed; the message says why and what to do."""


class ResumePoint(Record, kw_only=False):
    """One engine's run up to its checkpoint."""

    config: TrainConfig
    checkpoint: str
    """Path of the checkpoint; empty when the run was finished and only its events are repeated."""
    events: tuple[Event, ...]
    """The events to repeat; RunRequested is the first."""


def resume_warning(folder: Path, engines: Collection[str], resume_points: Mapping[str, ResumePoint]) -> str:
    """Return what the user should know of the run that continues the one in `folder`; empty when there is nothing.

    That is which of its chosen engines are left out, and that more epochs change the learning rates still to come.
    Raises ResumeError.
    """
    configs = _read_configs(folder)
    left_out = [TITLES.get(engine, engine) for engine in configs if engine in engines and engine not in resume_points]
    texts = [
        f"{engine} is left out: {folder.name} has neither its end nor a checkpoint with epochs left to train."
        for engine in left_out
    ]
    for engine, point in resume_points.items():
        before, config = configs[engine].epochs, point.config
        if point.checkpoint and before != config.epochs and config.schedule != "constant":
            texts.append(
                f"The {config.schedule} schedule now spans {config.epochs} epochs instead of {before}: from here on the learning"
                " rates are not those of a run that was never cut off."
            )
            break
    return " ".join(texts)


def find_resume_points(
    folder: Path, changes: Mapping[str, Any], engines: frozenset[str] = frozenset()
) -> dict[str, ResumePoint]:
    """Return where each engine of a run can continue, with `changes` to its settings; empty `engines` means all of them.

    Raises ResumeError, and ConfigError for a setting that can't be used.
    """
    for name in changes:
        if name not in CHANGEABLE_ON_RESUME:
            raise ResumeError(f"A resumed run keeps its {name.replace('_', ' ')}. Omit --{name.replace('_', '-')}.")
    points = {}
    for engine, before in _read_configs(folder).items():
        if engines and engine not in engines:
            continue
        config: TrainConfig = dataclasses.replace(before, seeds=1, **changes)
        for name, reason in problems(config):
            raise ConfigError(f"{name} {reason}.")
        point = _resume_point(engine, folder, before, config)
        if point is not None:
            points[engine] = point
    if not any(point.checkpoint for point in points.values()):
        raise ResumeError(
            f"Nothing is left to do in {folder.name}, or it has no checkpoint yet: one is written after each epoch and at a stop."
            " More --epochs make it longer."
        )
    return points if len(points) > 1 else {engine: _without_comparisons(point) for engine, point in points.items()}


def _without_comparisons(point: ResumePoint) -> ResumePoint:
    """Return the resume point of an engine that continues alone: half of the comparisons are in the other one's stream."""
    return dataclasses.replace(
        point, events=tuple(event for event in point.events if not isinstance(event, TwinsCompared))
    )


def _read_configs(folder: Path) -> dict[str, TrainConfig]:
    """Read the config of each engine of a run. Raises ResumeError."""
    try:
        with open_record(folder / "config.json") as file:
            content = json.load(file)["engines"]
        return {engine: from_plain(TrainConfig, content[engine]) for engine in ENGINES if engine in content}
    except FileNotFoundError as error:
        raise ResumeError(f"{folder} holds no run that can be resumed: it has no config.json.") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, ProtocolError) as error:
        raise ResumeError(f"{folder} holds no run that can be resumed: its config.json can't be read.") from error


def _resume_point(engine: str, folder: Path, before: TrainConfig, config: TrainConfig) -> ResumePoint | None:
    """Return where one engine continues, or its finished run; None when it has neither. Raises ResumeError."""
    events = _events_of_run(engine, folder)
    finished = _finished(config, events)
    done = max((event.epoch for event in events if isinstance(event, EpochCompleted)), default=0)
    if config.epochs < before.epochs and done + (finished is None) > config.epochs:
        raise ResumeError(
            f"{TITLES.get(engine, engine)} has trained {plural(done, 'epoch')} in {folder.name} already, so --epochs can't be"
            f" {config.epochs}."
        )
    by_rule = finished is not None and _ended_by_rule(before, config, events)
    unfinished = None if by_rule else _unfinished(engine, folder, config, events)
    if finished and not unfinished and not by_rule and config.epochs > before.epochs:
        raise ResumeError(
            f"{TITLES.get(engine, engine)} has no checkpoint in {folder.name}, so it can't be trained for more epochs."
            " Omit --epochs, or name the run that it was trained in."
        )
    return unfinished or finished


def _events_of_run(engine: str, folder: Path) -> list[Event]:
    """Return the recorded events of the run, from its last RunRequested on, and those of its worker's start."""
    try:
        events = [event for event in read_events(folder / "events.jsonl") if event.engine == engine]
    except OSError:
        return []  # the checkpoint alone is enough to resume
    starts = [i for i, event in enumerate(events) if isinstance(event, RunRequested)]
    if not starts:
        return []
    before = events[: starts[-1]]
    spawned = max((i for i, event in enumerate(before) if isinstance(event, WorkerSpawned)), default=0)
    worker = [event for event in before[spawned:] if isinstance(event, WorkerSpawned | WorkerReady | WarmedUp)]
    return [events[starts[-1]], *worker, *events[starts[-1] + 1 :]]


def _unfinished(engine: str, folder: Path, config: TrainConfig, events: list[Event]) -> ResumePoint | None:
    """Return the resume point of a run that has epochs left; None without a checkpoint. Raises ResumeError."""
    path = folder / f"{engine}.npz"
    if not os.path.isfile(path):
        return None
    from engines.experiment.checkpoint import CheckpointError, read_position  # imports numpy

    try:
        position = read_position(path)
    except CheckpointError as error:
        raise ResumeError(f"{TITLES.get(engine, engine)} can't be resumed: {error}") from error
    if position.epoch > config.epochs:
        return None
    return ResumePoint(
        config, str(path), tuple(event for event in events if _is_before(event, position, config.validation > 0))
    )


def _is_before(event: Event, position: Position, holds_out: bool) -> bool:
    """Return whether an event belongs to the part of the run before the position, and is repeated."""
    if isinstance(event, EvalCompleted) and event.split == "test" and holds_out:
        return False  # the test digits are evaluated once, at the new end
    if isinstance(event, TrainProgress | EvalCompleted | TwinsCompared):
        return event.global_step <= position.global_step
    if isinstance(event, LearningRateChanged):  # its step's checkpoint is from before it
        return event.global_step < position.global_step
    if isinstance(event, EpochStarted):
        return event.epoch < position.epoch + (position.step > 0)
    if isinstance(event, EpochCompleted):
        return event.epoch < position.epoch
    return isinstance(event, RunRequested)


def _finished(config: TrainConfig, events: list[Event]) -> ResumePoint | None:
    """Return the events of a finished run, to be repeated; None when the run did not finish."""
    repeated = [event for event in events if isinstance(event, _REPEATED_WHEN_FINISHED)]
    last = repeated[-1] if repeated else None
    if not isinstance(last, RunFinished):
        return None
    exited = WorkerExited(engine=last.engine, t=last.t, returncode=0, signal="", log_tail=())
    return ResumePoint(config, "", (*repeated, exited))


def repeat_finished(point: ResumePoint, run_id: str, folder: str, now: float) -> list[Event]:
    """Return the events of a finished run as those of run `run_id`, numbered from 1, with `now` as the time of the last.

    `folder` is that of the copied files; where it is empty, the events name the files of the run that is continued.
    """
    shift = now - point.events[-1].t
    repeated: list[Event] = []
    for i, event in enumerate(point.events, 1):
        changes: dict[str, Any] = {"run_id": run_id, "t": event.t + shift, "seq": i}
        if isinstance(event, RunRequested):
            changes["config"] = point.config
        elif folder and isinstance(event, CheckpointSaved | ModelSaved):
            changes["path"] = os.path.join(folder, os.path.basename(event.path))
        repeated.append(dataclasses.replace(event, **changes))
    return repeated


def _ended_by_rule(before: TrainConfig, now: TrainConfig, events: list[Event]) -> bool:
    """Return whether a rule of its config ended the run before its last epoch, and that rule is unchanged."""
    outcome = next(event.outcome for event in reversed(events) if isinstance(event, RunFinished))
    rules = ("target_accuracy", "patience", "stop_on_nan")
    unchanged = all(getattr(before, name) == getattr(now, name) for name in rules)
    return unchanged and outcome in ("target-reached", "no-progress", "diverged")
