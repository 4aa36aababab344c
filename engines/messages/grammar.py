"""The order of events, checked: what every worker, real, scripted or recorded, must keep to.

Standard library only. Used by the contract suite and by whoever doubts a recording.
"""

from __future__ import annotations

from collections.abc import Iterable

from engines.messages.events import (
    TERMINAL,
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
    TrainProgress,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
    WorkerUsage,
)

_ANYWHERE = (
    LogLine, Heartbeat, Prediction, ExamProgress, CheckpointSaved, ModelSaved, SaveFailed, Diverged, RunPaused, RunResumed,
    CommandSent, EvalStarted, WorkerUsage, MachineUsage,
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
_RESUMED: dict[type[Event] | None, tuple[type[Event], ...]] = {
    RunRequested: (EpochStarted,),
    EpochStarted: (WorkerSpawned, WorkerReady, DataProgress, DataReady, EvalCompleted, EpochCompleted),
    TrainProgress: (WorkerSpawned, WorkerReady, DataProgress, DataReady),
    EvalCompleted: (WorkerSpawned, WorkerReady, DataProgress, DataReady),
    EpochCompleted: (WorkerSpawned, WorkerReady, DataProgress, DataReady),
}
"""What else may follow when the run tells its past again: it may break off anywhere, and the present begins in mid-epoch."""
_CUT_SHORT = (RunFinished, RunFailed, WorkerExited)
"""A stop or a failure may come at any moment; a run that completed ends with its last epoch."""


def violations(events: Iterable[Event]) -> list[str]:
    """Every way in which one engine's events break the grammar; empty when they keep it."""
    found: list[str] = []
    previous: type[Event] | None = None
    seq, run_open = 0, ""
    global_step, resumed = 0, False
    for event in events:
        name = f"{type(event).__name__} #{event.seq}"
        if event.seq <= seq:
            found.append(f"{name}: seq after {seq}")
        seq = event.seq
        if isinstance(event, _ANYWHERE):
            continue
        kind = type(event)
        if previous is RunRequested and kind in _RESUMED[RunRequested]:
            resumed = True
        allowed = _MAY_FOLLOW[previous] + _CUT_SHORT + (_RESUMED.get(previous, ()) if resumed else ())
        completed = isinstance(event, RunFinished) and event.outcome == "completed"
        if kind not in allowed or (completed and previous is not EpochCompleted):
            found.append(f"{name}: may not follow {previous.__name__ if previous else 'the beginning'}")
        if isinstance(event, RunRequested):
            if run_open:
                found.append(f"{name}: run {run_open} is not ended")
            run_open, global_step, resumed = event.run_id, 0, False
        elif isinstance(event, TrainProgress):
            if event.global_step <= global_step:
                found.append(f"{name}: global_step {event.global_step} after {global_step}")
            global_step = event.global_step
        elif isinstance(event, TERMINAL):
            if event.run_id != run_open:
                found.append(f"{name}: ends run {event.run_id!r} while {run_open!r} is under way")
            run_open = ""
        elif isinstance(event, WorkerExited) and run_open:
            found.append(f"{name}: run {run_open} has neither RunFinished nor RunFailed")
        previous = kind
    return found
