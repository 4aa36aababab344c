"""The events of a worker and its runs, as they cross the pipe, stand in `events.jsonl` and reach the screens.

Frozen records of plain numbers, strings and tuples; standard library only. Their order:

    WorkerSpawned WorkerReady
      ( RunRequested DataProgress* DataReady ModelReady RunStarted
        ( EpochStarted ( TrainProgress | EvalStarted EvalCompleted )* EpochCompleted )*
        ( RunFinished | RunFailed ) )*
    WorkerExited

A stop or a failure may cut a run short; exactly one RunFinished or RunFailed ends every requested run. A resumed run repeats the
events of its epochs up to the checkpoint between RunRequested and DataReady, with their times shifted to the present. LogLine,
Heartbeat, Prediction, StepMeasured, LearningRateChanged, TwinsCompared, ExamProgress, CheckpointSaved, ModelSaved, SaveFailed,
Diverged, RunPaused, RunResumed, CommandSent, EvalStarted, WarmedUp and the usage events may stand anywhere. `grammar.py` checks
this order.

Times are in seconds, accuracies fractions of 1, memory in bytes. An unavailable value is None. NaN and Inf are legal.
"""

from __future__ import annotations

from engines.config import TrainConfig
from engines.messages.event_parts import Device as Device, GpuReading as GpuReading, LayerChange as LayerChange
from engines.record import Record


class Event(Record):
    """The fields that every event has."""

    engine: str
    """"pytorch", "keras", or "machine" for the figures of the whole machine."""
    run_id: str = ""
    """The run that the event belongs to; empty outside any run."""
    seq: int = 0
    """Strictly increasing per engine, so that a gap shows a lost event."""
    t: float = 0.0
    """Seconds on the machine's monotonic clock."""


class WorkerSpawned(Event):
    """The worker's process exists and imports its framework. Published by the supervisor."""

    pid: int
    interpreter: str


class WorkerReady(Event):
    """The framework is imported; a run can start."""

    pid: int
    framework: str
    """Display name: "PyTorch 2.15.0", "Keras 3.15.1 on TensorFlow 2.21.0"."""
    version: str
    devices: tuple[Device, ...]
    num_threads: int
    import_seconds: float


class WarmedUp(Event):
    """A worker that had no run yet has built the reference and trained two steps on blank digits, on its CPU threads.

    What a framework imports, traces and compiles at its first build and its first step, the worker's runs need not wait for.
    """

    samples_per_sec: float | None
    """Digits per second of the second step, which a run on the CPU can be expected to reach; None if a run came before it."""
    build_seconds: float | None = None
    """Seconds of the first build; None in recordings older than this field."""
    first_step_seconds: float | None = None
    """Seconds of the first step; None in recordings older than this field."""


class RunRequested(Event):
    """A run was requested. Its `t` is second 0 of all the run's wall seconds. Published by the supervisor."""

    config: TrainConfig
    build: str = ""
    """The build of mnist-tui (`engines.version.build`); empty in recordings older than this field."""
    jobs: int = 1
    """Number of jobs that trained the seeds of the series at the same time, this run's among them."""


class CommandSent(Event):
    """A command was sent that takes effect after the current step. Published by the supervisor."""

    command: str
    """"Pause", "Resume" or "Stop"."""


class DataProgress(Event):
    """Digits are being downloaded or drawn."""

    done_bytes: int
    total_bytes: int
    source: str


class DataReady(Event):
    """The digits are in memory."""

    dataset: str
    """"mnist" (as published), "custom" (other digits in its format) or "drawn"."""
    source: str
    sha256: str
    """SHA-256 of all the run's digits, whichever are held out."""
    train_size: int
    """Number of digits to train on, without the held-out ones."""
    test_size: int
    seconds: float
    validation_size: int = 0
    """Number of training digits that are held out to judge the epochs."""
    validation_sha256: str = ""
    """SHA-256 of the held-out images and labels; empty without any. Equal in both engines."""


class ModelReady(Event):
    """The network is built and holds its seeded weights."""

    layers: tuple[tuple[str, int], ...]
    """(layer name, parameters) in forward order."""
    parameters: int
    seconds: float


class RunStarted(Event):
    """Everything is ready for the first step."""

    config: TrainConfig
    device: str
    """"cpu", "cuda:N" or "mps"; a comma list when several train together."""
    precision: str
    num_threads: int
    steps_per_epoch: int
    total_steps: int
    global_step: int = 0
    """Steps that a resumed run had done before; else 0."""


class EpochStarted(Event):
    """A pass over the training digits starts; epochs count from 1."""

    epoch: int
    order_sha256: str
    """SHA-256 of the epoch's permutation as little-endian int64; equal in both engines."""


class TrainProgress(Event):
    """Means over the samples since the previous TrainProgress (dropout on), not running means of the epoch."""

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
    """An evaluation starts. Recordings older than this event lack it."""

    epoch: int
    global_step: int


class EvalCompleted(Event):
    """Digits that the engine does not train on were evaluated (dropout off)."""

    epoch: int
    global_step: int
    split: str
    """"validation" for held-out training digits, which then judge every epoch; "test" for the test digits, then only at the end."""
    loss: float
    accuracy: float
    seconds: float
    """Seconds of the evaluation."""
    train_seconds: float = 0.0
    """Training seconds so far, without evaluations."""
    confusion: tuple[int, ...]
    """100 counts of the test digits, row-major: true label x predicted label; empty for held-out digits."""
    mistakes: tuple[tuple[int, int, int], ...]
    """(test index, true label, predicted label) of every wrong answer; empty for held-out digits."""


class EpochCompleted(Event):
    """Means of one epoch. `train_seconds` counts neither evaluations nor the first (tracing, compiling) step."""

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
    """Training continues after a pause."""


class CheckpointSaved(Event):
    """A checkpoint, from which the run can be resumed, is on disk."""

    path: str
    epoch: int = 0
    global_step: int = 0


class ModelSaved(Event):
    """The model is on disk in its library's own format."""

    path: str


class SaveFailed(Event):
    """A result file could not be written; a later CheckpointSaved or ModelSaved supersedes this."""

    what: str
    """"checkpoint" or "model"; published by the app: "run" (the whole folder), "record" or "summary"."""
    path: str
    reason: str


class Diverged(Event):
    """The loss is not finite, or ten times worse than guessing; published once a run."""

    epoch: int
    global_step: int
    loss: float


class Prediction(Event):
    """The answer to Predict."""

    request_id: int
    probabilities: tuple[float, ...]
    """Probabilities of the digits 0 to 9; empty when there is no answer."""
    epoch: int
    global_step: int
    checkpoint: str = ""
    """Path of the checkpoint that holds the weights, or `commands.UNTRAINED`; empty when this worker trained them."""
    problem: str = ""
    """The reason for a missing answer; empty when there is one."""
    activations: str = ""
    """The values inside the network as `engines.experiment.activations` encodes them, if asked for; never part of a record."""


class StepMeasured(Event):
    """The answer to MeasureStep and to Step. It is not part of a run's record."""

    global_step: int
    """The step, counted from 1."""
    loss: float = 0.0
    """Mean loss of the step's batch (dropout on)."""
    correct: int = 0
    """Digits of the batch that were read right (dropout on)."""
    samples: int = 0
    """Digits in the batch."""
    layers: tuple[LayerChange, ...]
    """The layers in forward order; empty when there is no answer."""
    problem: str = ""
    """The reason for a missing answer; empty when there is one."""


class LearningRateChanged(Event):
    """The learning rates of all steps after `global_step` were multiplied, at the user's command."""

    global_step: int
    before: float
    """The rate that the next step would have had."""
    after: float
    requested_step: int
    """The step that the command named; smaller than `global_step` in a run that had passed it."""


class TwinsCompared(Event):
    """Both engines have come equally far: how far apart they are. Published by the app, in the stream of the later one."""

    epoch: int
    global_step: int
    layers: tuple[tuple[str, float], ...]
    """(layer, distance of the weights as a fraction of their size), in forward order."""
    answers: int | None
    """Test digits that they answer differently; None where it can't be known."""
    test_size: int


class ExamProgress(Event):
    """Progress of the parity proof, in steps; outside of any run."""

    done: int
    total: int


class LogLine(Event):
    """A line that the worker's process printed, or a message of the worker or its supervisor."""

    stream: str
    """"stdout" or "stderr" for printed lines; "worker", "supervisor" or "app" for their messages."""
    text: str


class Heartbeat(Event):
    """The worker is alive, whatever else it is doing."""

    device_memory_bytes: int | None = None
    """The most bytes that tensors held at once on the GPU since the run's model was built; None on a CPU.

    The framework's allocator counts them. What it keeps in reserve is left out, because only some frameworks report it."""


class RunFinished(Event):
    """The run ended without failing."""

    outcome: str
    """"completed" after all epochs; "stopped" by Stop; "target-reached", "no-progress" or "diverged" by a rule of its config."""
    test_accuracy: float | None
    test_loss: float | None
    best_epoch: int | None
    """The epoch of the best evaluation of held-out digits; without any, of the test digits."""
    train_seconds: float
    wall_seconds: float
    """Seconds since RunRequested, including any import that the run waited for, the digits, training, evaluations and pauses.

    Recordings older than `Start.requested_t` omit the import; `RunHistory.wall_seconds` includes it.
    """


class RunFailed(Event):
    """The run, or the worker's start, failed; the hint says what to do next."""

    kind: str
    """The kind of failure.

    One of "missing-interpreter", "missing-framework", "framework", "device", "data", "checkpoint", "out-of-memory", "crashed",
    "killed", "interrupted" (shut down in mid-run), "internal", or "exam" (a probe of the worker failed outside of any run)."""
    message: str
    hint: str = ""
    traceback: str = ""
    ends_worker: bool = False
    """True when the worker can't train again, as after an error of its GPU: it ends, and the next run gets a new one."""

    @property
    def explanation(self) -> str:
        """The message and the hint, as sentences."""
        end = "" if self.message.endswith((".", "!", "?")) or not self.hint else "."
        return f"{self.message}{end} {self.hint}".strip()


class WorkerExited(Event):
    """The worker's process has ended. Published by the supervisor."""

    returncode: int | None
    signal: str
    """Name of the signal that ended it ("SIGKILL"), or empty."""
    log_tail: tuple[str, ...]


class WorkerUsage(Event):
    """Resource usage of the worker's process tree. Measured by the app."""

    cpu_percent: float
    """Percent of one core: 400 is four busy cores."""
    cores_allowed: int
    rss_bytes: int
    num_threads: int
    gpu_memory_bytes: int | None = None
    """Bytes on all GPUs, as the driver counts them by process; None where it can't, or has another id for this process."""
    gpu_percent: float | None = None
    """Percent of a GPU's core time, averaged over the GPUs that the worker uses; None as above."""


class MachineUsage(Event):
    """Resource usage of the whole machine. Measured by the app."""

    cpu_percent: float
    """Percent of all usable cores, 0 to 100."""
    per_core: tuple[float, ...]
    memory_used_bytes: int
    memory_total_bytes: int
    gpus: tuple[GpuReading, ...]
    gpu_reason: str
    """The reason for missing GPU readings; empty when there are some."""


TERMINAL_EVENTS = (RunFinished, RunFailed)
"""The events that end a run."""

EVENTS: dict[str, type[Event]] = {kind.__name__: kind for kind in Event.__subclasses__()}
