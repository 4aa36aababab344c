"""What a worker says, and what it can be told: the vocabulary of the pipe, of `events.jsonl` and of the screens.

Frozen values of plain numbers, strings and tuples; standard library only. The order of a worker's life:

    WorkerSpawned WorkerReady
      ( RunRequested DataProgress* DataReady ModelReady RunStarted
        ( EpochStarted ( TrainProgress | EvalStarted EvalCompleted )* EpochCompleted )*
        ( RunFinished | RunFailed ) )*
    WorkerExited

A stop or a failure may cut a run short; exactly one RunFinished or RunFailed ends every requested run. A resumed run begins by
telling its past again: what was said of its epochs until the checkpoint stands between RunRequested and DataReady, its times moved
up to the present. LogLine, Heartbeat, Prediction, CheckpointSaved, ModelSaved, SaveFailed, Diverged, RunPaused, RunResumed,
CommandSent, EvalStarted and the usage events may stand anywhere. `grammar.py` checks all this.

Times are in seconds, accuracies fractions of 1, memory in bytes. A value that can't be had is None. NaN and Inf are legal.
"""

from __future__ import annotations

from engines.config import TrainConfig
from engines.record import Record


class Event(Record):
    """What every event carries."""

    engine: str
    """"pytorch", "keras", or "machine" for the figures of the whole machine."""
    run_id: str = ""
    """The run that the event belongs to; empty outside any run."""
    seq: int = 0
    """Strictly increasing per engine: a gap is a loss that can be seen."""
    t: float = 0.0
    """Seconds on the machine's monotonic clock."""


class Device(Record):
    """A device that a framework knows, or would know if it could."""

    id: str
    """"cpu", "cuda:N" or "mps"."""
    name: str
    usable: bool = True
    reason: str = ""
    """Why it can't be used; empty when it can."""
    gpu: str = ""
    """What the driver calls it: an index or a UUID, whole or cut short; empty for what is no GPU, and when nobody can tell."""


class WorkerSpawned(Event):
    """The process exists and is importing its framework. Synthesised by the supervisor."""

    pid: int
    interpreter: str


class WorkerReady(Event):
    """The framework is imported; a run can start."""

    pid: int
    framework: str
    """For people: "PyTorch 2.15.0", "Keras 3.15.1 on TensorFlow 2.21.0"."""
    version: str
    devices: tuple[Device, ...]
    num_threads: int
    import_seconds: float


class RunRequested(Event):
    """The run was asked for. Its `t` is second 0 of the run's wall clock, wherever wall seconds are stated.

    Synthesised by the supervisor.
    """

    config: TrainConfig
    build: str = ""
    """Which mnist-tui: `engines.version.build`. Empty in recordings older than this field."""


class CommandSent(Event):
    """A command was sent that the run heeds after its current step. Synthesised by the supervisor."""

    command: str
    """"Pause", "Resume" or "Stop"."""


class DataProgress(Event):
    """Digits are being fetched, or drawn."""

    done_bytes: int
    total_bytes: int
    source: str


class DataReady(Event):
    """The digits are in memory."""

    dataset: str
    """"mnist" (as published), "custom" (other digits in its format) or "drawn"."""
    source: str
    sha256: str
    train_size: int
    test_size: int
    seconds: float


class ModelReady(Event):
    """The network is built and holds its seeded weights."""

    layers: tuple[tuple[str, int], ...]
    """(layer name, parameters) in forward order."""
    parameters: int
    seconds: float


class RunStarted(Event):
    """Everything stands ready for the first step."""

    config: TrainConfig
    device: str
    """"cpu", "cuda:N" or "mps"; a comma list when several train together."""
    precision: str
    num_threads: int
    steps_per_epoch: int
    total_steps: int
    global_step: int = 0
    """Steps done before, when the run was resumed."""


class EpochStarted(Event):
    """A pass over the training digits begins; epochs count from 1."""

    epoch: int
    order_sha256: str
    """SHA-256 of the epoch's permutation as little-endian int64: equal in both engines."""


class TrainProgress(Event):
    """Means over the samples since the previous TrainProgress (dropout on), never running epoch means."""

    epoch: int
    step: int
    """Steps done in this epoch."""
    global_step: int
    samples_seen: int
    loss: float
    accuracy: float
    samples_per_sec: float
    learning_rate: float


class EvalStarted(Event):
    """An evaluation begins. Recordings older than this event leave it out."""

    epoch: int
    global_step: int


class EvalCompleted(Event):
    """The test digits were answered (dropout off)."""

    epoch: int
    global_step: int
    split: str
    loss: float
    accuracy: float
    seconds: float
    """That the evaluation took."""
    train_seconds: float = 0.0
    """Trained until here, evaluations not counted."""
    confusion: tuple[int, ...]
    """100 counts, row-major: true label x predicted label."""
    mistakes: tuple[tuple[int, int, int], ...]
    """(test index, true label, predicted label) of every wrong answer."""


class EpochCompleted(Event):
    """The epoch's own means. `train_seconds` holds neither evaluation nor the first (tracing, compiling) step."""

    epoch: int
    train_loss: float
    train_accuracy: float
    train_seconds: float
    samples_per_sec: float | None
    """None when the run's first step was the only one."""
    first_step_seconds: float | None
    """Seconds of the run's first step; None in later epochs."""


class RunPaused(Event):
    """Training waits for Resume."""


class RunResumed(Event):
    """Training goes on."""


class CheckpointSaved(Event):
    """Everything that is needed to go on from here is on disk."""

    path: str
    epoch: int = 0
    global_step: int = 0


class ModelSaved(Event):
    """The model is on disk in its library's own format."""

    path: str


class SaveFailed(Event):
    """A file that the run leaves could not be written; a later CheckpointSaved or ModelSaved makes that good."""

    what: str
    """"checkpoint" or "model"; and, synthesised by the app, "run" (its whole folder), "record" or "summary"."""
    path: str
    reason: str


class Diverged(Event):
    """The loss is no longer a number, or ten times worse than guessing; said once a run."""

    epoch: int
    global_step: int
    loss: float


class Prediction(Event):
    """The answer to Predict."""

    request_id: int
    probabilities: tuple[float, ...]
    """Of the digits 0 to 9; empty when there is no answer."""
    epoch: int
    global_step: int
    checkpoint: str = ""
    """Where the weights come from; empty when this worker trained them."""
    problem: str = ""
    """Why there is no answer; empty when there is one."""


class ExamProgress(Event):
    """How far the parity proof's exam is, in steps; said outside of any run."""

    done: int
    total: int


class LogLine(Event):
    """A line that the worker's process wrote to stdout or stderr, or that the supervisor has to say."""

    stream: str
    """"stdout", "stderr", "worker" for what it says itself, or "supervisor"."""
    text: str


class Heartbeat(Event):
    """The worker lives, whatever else it is doing."""

    device_memory_bytes: int | None = None
    """What the framework's own allocator holds on its GPU; None on a CPU."""


class RunFinished(Event):
    """The run ended without failing."""

    outcome: str
    """"completed": all epochs; "stopped" by Stop; "target-reached", "no-progress" or "diverged": by a rule of its config."""
    test_accuracy: float | None
    test_loss: float | None
    best_epoch: int | None
    train_seconds: float
    wall_seconds: float
    """Since RunRequested: an import that the run had to wait for, the digits, training, evaluations and pauses included.

    Recordings older than `Start.requested_t` leave the import out; `RunHistory.wall_seconds` does not.
    """


class RunFailed(Event):
    """The run, or the start of the worker, failed; the hint says what to do next."""

    kind: str
    """"missing-interpreter", "missing-framework", "framework", "device", "data", "checkpoint", "out-of-memory", "crashed",
    "killed", "interrupted" (told to end in mid-run), "internal", or "exam": a question that is no run could not be answered."""
    message: str
    hint: str = ""
    traceback: str = ""


class WorkerExited(Event):
    """The process is gone. Synthesised by the supervisor."""

    returncode: int | None
    signal: str
    """Name of the signal that ended it ("SIGKILL"), or empty."""
    log_tail: tuple[str, ...]


class WorkerUsage(Event):
    """What the worker's process tree takes. Measured by the app."""

    cpu_percent: float
    """100 is one core."""
    cores_allowed: int
    rss_bytes: int
    num_threads: int
    gpu_memory_bytes: int | None = None
    """Of all GPUs, as the driver counts it by process; None where it can't, or knows this process by another number."""
    gpu_percent: float | None = None
    """Of the time of a GPU's cores, the mean over those that it computes on; None as above."""


class GpuReading(Record):
    """One GPU at one moment."""

    index: int
    name: str
    uuid: str
    utilization_percent: float | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    temperature_celsius: float | None
    power_watts: float | None
    power_limit_watts: float | None
    energy_joules: float | None = None
    """Since the driver was loaded; only Volta and later count it."""
    sm_clock_mhz: float | None = None
    throttled: str = ""
    """Why the GPU is slower than it could be: "heat", "power limit", ...; empty when it is not, and when nobody can tell."""
    missing: tuple[tuple[str, str], ...] = ()
    """(field, reason) for every None."""
    slices: tuple[str, ...] = ()
    """The UUIDs of the MIG slices that it is cut into."""


class MachineUsage(Event):
    """What the whole machine does. Measured by the app."""

    cpu_percent: float
    """Of all usable cores, 0 to 100."""
    per_core: tuple[float, ...]
    memory_used_bytes: int
    memory_total_bytes: int
    gpus: tuple[GpuReading, ...]
    gpu_reason: str
    """Why there is no reading; empty when there is one."""


TERMINAL = (RunFinished, RunFailed)
"""The events that end a run."""

EVENTS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        WorkerSpawned, WorkerReady, RunRequested, CommandSent, DataProgress, DataReady, ModelReady, RunStarted, EpochStarted,
        TrainProgress, EvalStarted, EvalCompleted, EpochCompleted, RunPaused, RunResumed, CheckpointSaved, ModelSaved, SaveFailed,
        Diverged,
        Prediction, ExamProgress, LogLine, Heartbeat, RunFinished, RunFailed, WorkerExited, WorkerUsage, MachineUsage,
    )
}  # fmt: skip
