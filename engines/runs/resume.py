"""A run that ended early, made ready to go on: its configs, its checkpoints, and its past to be told again."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engines.config import CHANGEABLE_ON_RESUME, ENGINES, TITLES, ConfigError, TrainConfig, problems
from engines.messages.codec import ProtocolError, from_plain
from engines.messages.events import (
    DataReady,
    Diverged,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    Event,
    ModelReady,
    ModelSaved,
    RunFinished,
    RunRequested,
    RunStarted,
    TrainProgress,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
)
from engines.record import Record
from engines.runs.reader import read_events

if TYPE_CHECKING:
    from engines.experiment.progress import Position


class ResumeError(Exception):
    """A run that can't go on; the message says why and what to do."""


class ResumePoint(Record, kw_only=False):
    """One engine's run until its checkpoint."""

    config: TrainConfig
    checkpoint: str
    """Its path; empty when the run was finished and is only told again."""
    events: tuple[Event, ...]
    """RunRequested first; then what is told again."""


def schedule_warning(pasts: Mapping[str, ResumePoint]) -> str:
    """Say where more epochs change the learning rates that are still to come; empty where they do not."""
    for past in pasts.values():
        before = next((event.config for event in past.events if isinstance(event, RunRequested)), past.config)
        if past.checkpoint and before.epochs != past.config.epochs and past.config.schedule != "constant":
            return (
                f"The {past.config.schedule} schedule now spans {past.config.epochs} epochs instead of {before.epochs}: from here"
                " on the learning rates are not those of a run that was never cut off."
            )
    return ""


def find_resume_points(
    folder: Path, changes: Mapping[str, Any], engines: frozenset[str] = frozenset()
) -> dict[str, ResumePoint]:
    """What each engine of the run (of those in `engines`, when some are named) can go on from. Raises ResumeError, and
    ConfigError for a setting that can't be used."""
    for name in changes:
        if name not in CHANGEABLE_ON_RESUME:
            raise ResumeError(
                f"A resumed run keeps its {name.replace('_', ' ')}; leave --{name.replace('_', '-')} away."
            )
    try:
        kept = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        configs = {
            engine: from_plain(TrainConfig, kept["engines"][engine]) for engine in ENGINES if engine in kept["engines"]
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, ProtocolError) as error:
        raise ResumeError(f"{folder} holds no run that can be resumed: {error}.") from error
    found = {}
    for engine, before in configs.items():
        if engines and engine not in engines:
            continue
        config: TrainConfig = dataclasses.replace(before, seeds=1, **changes)
        for name, reason in problems(config):
            raise ConfigError(f"{name} {reason}.")
        events = _of(engine, folder)
        ended = _finished(config, events)
        by_rule = ended is not None and _by_its_own_rule(before, config, events)
        left = None if by_rule else _unfinished(engine, folder, config, events)
        if ended and not left and not by_rule and config.epochs > before.epochs:
            raise ResumeError(
                f"{TITLES.get(engine, engine)} has no checkpoint in {folder.name}, so it can't be trained for more epochs."
                " Leave --epochs away, or name the run that it was trained in."
            )
        if past := left or ended:
            found[engine] = past
    if not any(past.checkpoint for past in found.values()):
        raise ResumeError(
            f"Nothing is left to do in {folder.name}, or it has no checkpoint yet: one is written after each epoch and at a stop."
            " More --epochs make it longer."
        )
    return found


def _of(engine: str, folder: Path) -> list[Event]:
    """What the record holds of the run itself, from its last RunRequested on, and of the worker that it had."""
    try:
        events = [event for event in read_events(folder / "events.jsonl") if event.engine == engine]
    except OSError:
        return []  # the checkpoint is enough to go on
    starts = [i for i, event in enumerate(events) if isinstance(event, RunRequested)]
    if not starts:
        return []
    worker = [event for event in events[: starts[-1]] if isinstance(event, WorkerSpawned | WorkerReady)][-2:]
    return [events[starts[-1]], *worker, *events[starts[-1] + 1 :]]


def _unfinished(engine: str, folder: Path, config: TrainConfig, events: list[Event]) -> ResumePoint | None:
    path = folder / f"{engine}.npz"
    if not os.path.isfile(path):
        return None
    from engines.experiment.checkpoint import CheckpointError, read_position  # numpy, for whoever resumes

    try:
        position = read_position(path)
    except CheckpointError as error:
        raise ResumeError(f"{TITLES.get(engine, engine)} can't go on: {error}") from error
    if position.epoch > config.epochs:
        return None
    return ResumePoint(config, str(path), tuple(event for event in events if _is_before(event, position)))


def _is_before(event: Event, position: Position) -> bool:
    if isinstance(event, TrainProgress | EvalCompleted):
        return event.global_step <= position.global_step
    if isinstance(event, EpochStarted):
        return event.epoch < position.epoch + (position.step > 0)
    if isinstance(event, EpochCompleted):
        return event.epoch < position.epoch
    return isinstance(event, RunRequested)


def _finished(config: TrainConfig, events: list[Event]) -> ResumePoint | None:
    told = [event for event in events if isinstance(event, _OF_A_RUN)]
    if not isinstance(told[-1] if told else None, RunFinished):
        return None
    gone = WorkerExited(engine=told[-1].engine, t=told[-1].t, returncode=0, signal="", log_tail=())
    return ResumePoint(config, "", (*told, gone))


def _by_its_own_rule(before: TrainConfig, now: TrainConfig, events: list[Event]) -> bool:
    """Whether a rule of its config ended the run before its last epoch, and that rule still holds."""
    outcome = next(event.outcome for event in reversed(events) if isinstance(event, RunFinished))
    rules = ("target_accuracy", "patience", "stop_on_nan")
    same = all(getattr(before, name) == getattr(now, name) for name in rules)
    return same and outcome in ("target-reached", "no-progress", "diverged")


_OF_A_RUN = (
    RunRequested, WorkerSpawned, WorkerReady, DataReady, ModelReady, RunStarted, EpochStarted, TrainProgress, EvalCompleted,
    EpochCompleted, ModelSaved, Diverged, RunFinished,
)  # fmt: skip
