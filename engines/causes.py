"""Why a worker ended, as far as its parent can know: what it was doing, how it ended, its last words, and what to do now.

Pure: no process, no clock, no files.
"""

from __future__ import annotations

from engines.events import (
    TERMINAL,
    CheckpointSaved,
    DataReady,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    Event,
    ModelReady,
    RunStarted,
    TrainProgress,
    WorkerReady,
)

RESTART = "Restart starts a new worker."
LESS_MEMORY = "Free memory, or use a smaller batch size or fewer digits. Restart starts a new worker."

_NO_MEMORY = ("bad_alloc", "cannot allocate memory", "can't allocate memory", "out of memory", "memoryerror")
"""How C++, libc, PyTorch, TensorFlow and Python say that memory ran out."""

_SIGNALS = {
    "SIGILL": "It needs instructions that this CPU lacks: install a build of the framework for an older CPU.",
    "SIGXCPU": "It used up the CPU time that this system allows (ulimit -t).",
    "SIGXFSZ": "It wrote a file larger than this system allows (ulimit -f).",
}


def says_no_memory(text: str) -> bool:
    """Whether an error's text says that memory ran out."""
    lowered = text.lower()
    return any(phrase in lowered for phrase in _NO_MEMORY)


class Whereabouts:
    """What a worker was doing when it was last heard, and what it last printed."""

    def __init__(self, title: str) -> None:
        self.doing = f"while importing {title}"
        self.last_words = ""
        self._dying = False

    def hear(self, event: Event) -> None:
        """Take what the worker said of itself into account."""
        match event:
            case TrainProgress():
                self.doing = f"in epoch {event.epoch}, after step {event.global_step:,}"
            case EvalCompleted():
                self.doing = f"after the evaluation at step {event.global_step:,}"
            case EpochCompleted():
                self.doing = f"after epoch {event.epoch}"
            case EpochStarted() if event.epoch > 1:
                self.doing = f"at the beginning of epoch {event.epoch}"
            case CheckpointSaved():
                self.doing = f"after the checkpoint at step {event.global_step:,}"
            case RunStarted():
                self.doing = "in the first step"
            case DataReady() | ModelReady():
                self.doing = "while building the model"
            case WorkerReady():
                self.doing = "while loading the digits"
            case _ if isinstance(event, TERMINAL):
                self.doing = "while loading the digits"

    def read(self, line: str) -> None:
        """Take a printed line into account; what faulthandler prints of a process that dies are no words of its own."""
        if line.startswith("Fatal Python error:"):
            self._dying = True
            self.last_words = self.last_words or line
        elif not self._dying:
            self.last_words = line


def cause(returncode: int, signal: str, was: Whereabouts, *, oom_killed: bool = False) -> tuple[str, str, str]:
    """(kind, message, hint) of a run whose worker ended in the midst of it, unasked."""
    how = f"was ended by {signal}" if signal else f"exited with code {returncode}"
    last = f" Its last words: {was.last_words}" if was.last_words else ""
    message = f"The worker {how} {was.doing}.{last}"
    if oom_killed and signal == "SIGKILL":
        return "out-of-memory", f"The system ran out of memory and ended the worker {was.doing}.", LESS_MEMORY
    if says_no_memory(was.last_words):
        return "out-of-memory", message, LESS_MEMORY
    if signal == "SIGKILL":
        return "crashed", message, f"If nobody did that, the system ran out of memory. {RESTART}"
    return "crashed", message, f"{_SIGNALS.get(signal, 'The log has the details.')} {RESTART}"
