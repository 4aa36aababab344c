"""The commands that a worker accepts."""

from __future__ import annotations

from engines.config import TrainConfig
from engines.record import Record

UNTRAINED = "untrained"
"""In place of a checkpoint's path: the network as seed 0 makes it, before its first step."""


class AutoDevice(Record):
    """The choice among the free GPUs when the device is `auto`."""

    rank: int = 0
    """The place of this engine among those of a race whose device is `auto`: each gets a free GPU of its own."""
    taken: tuple[str, ...] = ()
    """The devices that other engines of the race have by name; another free GPU comes before them."""
    held: tuple[str, ...] = ()
    """The driver's ids of the GPUs that the workers of this round hold since an earlier run, in the order of the ranks."""
    just_used: bool = False
    """True when those workers trained a moment ago, so that their GPUs' utilisation may be their own."""
    order: str = ""
    """The GPUs at the start of the run, as `freest_gpus` writes them; filled in by the supervisor."""
    chosen: str = ""
    """The device that the app has chosen for this job of several; empty leaves the choice to the worker."""


ANY_GPU = AutoDevice()


class Start(Record):
    """Train one run, which ends with exactly one RunFinished or RunFailed."""

    run_id: str
    config: TrainConfig
    run_dir: str = ""
    """Folder of the run's checkpoint and model; empty writes neither."""
    resume: str = ""
    """Checkpoint to resume from; empty starts at epoch 1."""
    requested_t: float = 0.0
    """Time of the run's RunRequested, filled in by the supervisor."""
    auto: AutoDevice = ANY_GPU
    jobs: int = 1
    """Number of jobs that train the seeds of the series at the same time."""


class Pause(Record):
    """Pause the run after the current step."""


class Resume(Record):
    """Continue the run after a pause."""


class Stop(Record):
    """Stop the run after the current step, evaluate and save."""


class SaveCheckpoint(Record):
    """Write a checkpoint after the current step."""


class Predict(Record):
    """Classify one image, answered by a Prediction. The worker drops a waiting request when a newer one arrives."""

    request_id: int
    """Strictly increasing."""
    image: tuple[int, ...]
    """784 grey values 0 to 255, row-major."""
    checkpoint: str = ""
    """Checkpoint, or UNTRAINED, whose weights answer while the worker has trained no model of its own and no run is active."""
    inside: bool = False
    """True to be told the values inside the network, too."""


class MeasureStep(Record):
    """Measure the next training step of the run, answered by a StepMeasured."""


class Step(Record):
    """Train one step of a paused run, which stays paused; answered by a StepMeasured."""


class ChangeLearningRate(Record):
    """Multiply the learning rates from a step on, answered by a LearningRateChanged."""

    factor: float
    global_step: int
    """Steps to train before the change; a run that has trained more changes before its next step."""


class Shutdown(Record):
    """End the worker and abandon any run."""


Command = Start | Pause | Resume | Stop | SaveCheckpoint | Predict | MeasureStep | Step | ChangeLearningRate | Shutdown

RUN_COMMANDS = (Pause, Resume, Stop)
"""Commands that affect a run after its current step; each is answered by an event."""

COMMANDS: dict[str, type[Command]] = {
    kind.__name__: kind
    for kind in (Start, Pause, Resume, Stop, SaveCheckpoint, Predict, MeasureStep, Step, ChangeLearningRate, Shutdown)
}
