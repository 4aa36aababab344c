"""Check the order of events that every worker, real, scripted or recorded, must follow. Standard library only."""

from __future__ import annotations

from collections.abc import Iterable

from engines.messages.events import (
    TERMINAL_EVENTS,
    CheckpointSaved,
    CommandSent,
    DataProgress,
    DataReady,
    Diverged,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    EvalStarted,
    Event,
    ExamProgress,
    Heartbeat,
    LearningRateChanged,
    LogLine,
    MachineUsage,
    ModelReady,
    ModelSaved,
    Prediction,
    RunFailed,
    RunFinished,
    RunPaused,
    RunRequested,
    RunResumed,
    RunStarted,
    SaveFailed,
    StepMeasured,
    TrainProgress,
    TwinsCompared,
    WarmedUp,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
    WorkerUsage,
)

_ANYWHERE = (
    LogLine, Heartbeat, Prediction, StepMeasured, TwinsCompared, ExamProgress, CheckpointSaved, ModelSaved, SaveFailed,
    Diverged, LearningRateChanged, RunPaused, RunResumed, CommandSent, EvalStarted, WarmedUp, WorkerUsage, MachineUsage,
)  # fmt: skip

_MAY_FOLLOW: dict[type[Event] | None, tuple[type[Event], ...]] = {
    None: (WorkerSpawned, WorkerReady, RunRequested),
    WorkerSpawned: (WorkerReady, RunRequested),
    WorkerReady: (RunRequested, DataProgress, DataReady),
    RunRequested: (WorkerSpawned, WorkerReady, DataProgress, DataReady),
    DataProgress: (DataProgress, DataReady),
    DataReady: (ModelReady,),
    ModelReady: (RunStarted,),
    RunStarted: (EpochStarted,),
    EpochStarted: (TrainProgress,),
    TrainProgress: (TrainProgress, EvalCompleted),
    EvalCompleted: (TrainProgress, EpochCompleted),
    EpochCompleted: (EpochStarted,),
    RunFinished: (RunRequested, DataProgress, DataReady),
    RunFailed: (RunRequested, DataProgress, DataReady),
    WorkerExited: (WorkerSpawned, RunRequested),
}
_MAY_FOLLOW_IN_RESUMED_RUN: dict[type[Event] | None, tuple[type[Event], ...]] = {
    RunRequested: (EpochStarted,),
    EpochStarted: (WorkerSpawned, WorkerReady, DataProgress, DataReady, EvalCompleted, EpochCompleted),
    TrainProgress: (WorkerSpawned, WorkerReady, DataProgress, DataReady),
    EvalCompleted: (WorkerSpawned, WorkerReady, DataProgress, DataReady),
    EpochCompleted: (WorkerSpawned, WorkerReady, DataProgress, DataReady),
}
"""Further successors in a resumed run: the repeated past may break off anywhere, and new events may start in mid-epoch."""
_ENDINGS = (RunFinished, RunFailed, WorkerExited)
"""A stop or a failure may follow any event; a completed run ends after its last epoch."""


def violations(events: Iterable[Event]) -> list[str]:
    """Describe every violation of the grammar in one engine's events; empty when there is none."""
    problems: list[str] = []
    previous: type[Event] | None = None
    seq, open_run = 0, ""
    global_step, resumed, holds_out, tested = 0, False, False, False
    for event in events:
        name = f"{type(event).__name__} #{event.seq}"
        if event.seq <= seq:
            problems.append(f"{name}: seq after {seq}")
        seq = event.seq
        if isinstance(event, _ANYWHERE):
            continue
        kind = type(event)
        if previous is RunRequested and kind in _MAY_FOLLOW_IN_RESUMED_RUN[RunRequested]:
            resumed = True
        allowed = _MAY_FOLLOW[previous] + _ENDINGS + (_MAY_FOLLOW_IN_RESUMED_RUN.get(previous, ()) if resumed else ())
        if holds_out and previous in (EpochStarted, EvalCompleted) and isinstance(event, EvalCompleted):
            allowed += (EvalCompleted,) if event.split == "test" else ()
        completed = isinstance(event, RunFinished) and event.outcome == "completed"
        if kind not in allowed or (completed and previous is not EpochCompleted):
            problems.append(f"{name}: may not follow {previous.__name__ if previous else 'the start'}")
        if isinstance(event, RunRequested):
            if open_run:
                problems.append(f"{name}: run {open_run} has not ended")
            open_run, global_step, resumed = event.run_id, 0, False
            holds_out, tested = event.config.validation > 0, False
        elif isinstance(event, EvalCompleted) and holds_out:
            if tested:
                problems.append(f"{name}: after the evaluation of the test digits, which ends the run")
            tested = event.split == "test"
        elif isinstance(event, TrainProgress):
            if event.global_step <= global_step:
                problems.append(f"{name}: global_step {event.global_step} after {global_step}")
            global_step = event.global_step
        elif isinstance(event, TERMINAL_EVENTS):
            if event.run_id != open_run:
                problems.append(f"{name}: ends run {event.run_id!r} while {open_run!r} is active")
            open_run = ""
        elif isinstance(event, WorkerExited) and open_run:
            problems.append(f"{name}: run {open_run} has neither RunFinished nor RunFailed")
        previous = kind
    return problems
