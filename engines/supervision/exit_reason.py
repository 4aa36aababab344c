"""Explain the end of a worker to the user, as far as its parent can know: what it was doing, how it ended, and what to do now.

Pure: no process, no clock, no files.
"""

from __future__ import annotations

from engines.gpu_errors import gpu_error_advice
from engines.messages.events import (
    CheckpointSaved,
    DataReady,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    Event,
    ModelReady,
    RunFailed,
    RunFinished,
    RunStarted,
    TrainProgress,
    WorkerReady,
)
from engines.out_of_memory import LESS_MEMORY, is_out_of_memory

LOADING = "while loading the digits"
WAITING = "while it waited for a run"
RESTART = "Restart starts a new worker."

_SIGNALS = {
    "SIGILL": "It needs instructions that this CPU lacks: install a build of the framework for an older CPU.",
    "SIGXCPU": "It used up the CPU time that this system allows (ulimit -t).",
    "SIGXFSZ": "It wrote a file larger than this system allows (ulimit -f).",
}


def activity_after(event: Event) -> str:
    """Return what a worker does after this event, as the end of a sentence; empty when the event does not show it."""
    match event:
        case TrainProgress():
            return f"in epoch {event.epoch}, after step {event.global_step:,}"
        case EvalCompleted():
            return f"after the evaluation at step {event.global_step:,}"
        case EpochCompleted():
            return f"after epoch {event.epoch}"
        case EpochStarted() if event.epoch > 1:
            return f"at the beginning of epoch {event.epoch}"
        case CheckpointSaved():
            return f"after the checkpoint at step {event.global_step:,}"
        case RunStarted():
            return "in the first step"
        case DataReady() | ModelReady():
            return "while building the model"
        case WorkerReady() | RunFinished() | RunFailed():
            return LOADING
        case _:
            return ""


def explain_exit(
    returncode: int, signal: str, activity: str, last_words: str, *, oom_killed: bool = False
) -> tuple[str, str, str]:
    """Return (kind, message, hint) of a run whose worker ended during it, without being told to."""
    how = f"was ended by {signal}" if signal else f"exited with code {returncode}"
    last = (
        f" Its last words: {last_words}" if last_words and signal != "SIGKILL" else ""
    )  # SIGKILL leaves no time for any
    message = f"The worker {how} {activity}.{last}"
    if oom_killed and signal == "SIGKILL":
        return "out-of-memory", f"The system ran out of main memory and ended the worker {activity}.", LESS_MEMORY
    if is_out_of_memory(last_words):
        return "out-of-memory", message, LESS_MEMORY
    if signal == "SIGKILL":
        return "crashed", message, f"Unless you ended it, the system ran out of main memory. {RESTART}"
    cause = _SIGNALS.get(signal, "The log has the details.")
    return "crashed", message, gpu_error_advice(last_words) or f"{cause} {RESTART}"
