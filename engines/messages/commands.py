"""What a worker can be told."""

from __future__ import annotations

from engines.config import TrainConfig
from engines.record import Record


class Start(Record):
    """Train; answered by one RunFinished or RunFailed."""

    run_id: str
    config: TrainConfig
    run_dir: str = ""
    """Where checkpoints go; empty keeps none."""
    resume: str = ""
    """The checkpoint to go on from; empty begins anew."""
    requested_t: float = 0.0
    """The time of the run's RunRequested, filled in by the supervisor."""


class Pause(Record):
    """Wait after the current step."""


class Resume(Record):
    """Go on after Pause."""


class Stop(Record):
    """Finish the step, evaluate, keep the results."""


class SaveCheckpoint(Record):
    """Write the weights now."""


class Predict(Record):
    """Answer one digit; a newer question makes an older one that still waits pointless, and it is dropped."""

    request_id: int
    """Strictly increasing."""
    image: tuple[int, ...]
    """784 grey values 0 to 255, row-major."""
    checkpoint: str = ""
    """Whose weights answer when the worker has trained no model itself and no run is under way."""


class Shutdown(Record):
    """End the worker, abandoning any run."""


Command = Start | Pause | Resume | Stop | SaveCheckpoint | Predict | Shutdown

RUN_COMMANDS = (Pause, Resume, Stop)
"""The commands that change what a run does, after its current step; an event answers each."""

COMMANDS: dict[str, type[Command]] = {
    kind.__name__: kind for kind in (Start, Pause, Resume, Stop, SaveCheckpoint, Predict, Shutdown)
}
