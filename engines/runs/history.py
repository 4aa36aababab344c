"""What is known of an engine's life so far: a pure fold over its events.

The screens, the headless lines, the summaries and the replays all read this and nothing else. No clock, no files, no threads.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from itertools import zip_longest

from engines.config import TrainConfig, reaches
from engines.messages.events import (
    CheckpointSaved,
    CommandSent,
    DataProgress,
    DataReady,
    Device,
    Diverged,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    EvalStarted,
    Event,
    Heartbeat,
    LogLine,
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
from engines.record import Record
from engines.runs.bounded_series import BoundedSeries
from engines.runs.save_failures import save_failure
from engines.runs.statistics import wilson

LOG_LINES = 2_000
USAGE_SAMPLES = 240
HEARTBEAT_LOST_SECONDS = 6.0
"""A worker that was silent for so long is shown as not answering."""
SLOW_SECONDS = 60.0
"""What comes before training takes a few seconds; what takes longer than this may have hung."""
MILESTONES = (0.97, 0.98, 0.99)
EVALUATIONS = 2_000
"""More than a chart has columns for; a run may have millions, when it evaluates at every step."""

OFF = "off"
IMPORTING = "importing"
READY = "ready"
LOADING = "loading data"
BUILDING = "building"
FIRST_STEP = "first step"
TRAINING = "training"
EVALUATING = "evaluating"
PAUSED = "paused"
FINISHED = "finished"
STOPPED = "stopped"
DIVERGED = "diverged"
FAILED = "failed"
INTERRUPTED = "interrupted"
"""The run was cut off: its worker was told to end, or its record has no end."""

BEFORE_TRAINING = (IMPORTING, LOADING, BUILDING, FIRST_STEP)

_ENDS = {"stopped": STOPPED, "diverged": DIVERGED}
"""The phase that a run's outcome leaves; any other outcome is a finish."""


class Milestone(Record, kw_only=False):
    """When a test accuracy was first reached: at an evaluation, interpolated by no one."""

    accuracy: float
    wall_seconds: float
    """As `RunHistory.wall_seconds` counts them."""
    train_seconds: float
    epoch: int
    global_step: int


class RunHistory:
    """One engine: its worker, and its present or last run."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.last_t = 0.0
        self.heard_t = 0.0
        """When the worker itself was last heard; what is measured of it, and what its parent says of it, is no sign of life."""
        self.pid: int | None = None
        self.spawned_t = 0.0
        self.worker: WorkerReady | None = None
        self.last_worker_ready: WorkerReady | None = None
        """What the present or the last worker said of itself."""
        self.framework = ""
        """Of the present or the last worker, for people."""
        self.prediction: Prediction | None = None
        """The present worker's last answer to a question."""
        self.exited: WorkerExited | None = None
        self.failure: RunFailed | None = None
        self.usage: WorkerUsage | None = None
        self.cpu_percent: deque[float | None] = deque(maxlen=USAGE_SAMPLES)
        self.device_memory_bytes: int | None = None
        self.log: deque[LogLine] = deque(maxlen=LOG_LINES)
        self.log_count = 0
        self.unsaved: dict[tuple[str, str], SaveFailed] = {}
        """What this run and those before it should have left on disk and did not, by run and kind of file."""
        self.phase = OFF
        self.phase_t = 0.0
        self._reset_run()

    def _reset_run(self) -> None:
        self.run_id = ""
        self.config: TrainConfig | None = None
        self.build = ""
        """Of mnist-tui, which ran it."""
        self.requested_t: float | None = None
        self.ended_t: float | None = None
        self.paused_seconds = 0.0
        self.peak_rss_bytes: int | None = None
        self.peak_device_bytes: int | None = None
        self.pending_command = ""
        """What the run was sent and has not acted on yet, as in CommandSent; a Stop is pending until the run has ended."""
        self.data_progress: DataProgress | None = None
        self.data: DataReady | None = None
        self.model: ModelReady | None = None
        self.started: RunStarted | None = None
        self.first_step_seconds: float | None = None
        self.epoch = 0
        self.progress: TrainProgress | None = None
        self.train_loss = BoundedSeries()
        self.train_accuracy = BoundedSeries()
        self.step_seconds = BoundedSeries()
        """When each step was done: (global_step, seconds since the run was asked for)."""
        self.evaluations: list[EvalCompleted] = []
        """At most EVALUATIONS, the best among them; only the newest keeps its confusion and its mistakes."""
        self.epochs_done = 0
        self.epoch_seconds = self.epoch_samples = 0.0
        """Of training in all of them, the first step not counted."""
        self.last_epoch: EpochCompleted | None = None
        self.milestones: list[Milestone] = []
        self.finished: RunFinished | None = None
        self.diverged: Diverged | None = None
        self.checkpoint = ""
        self.checkpoint_epoch = 0
        """In which epoch a resumed run would go on."""
        self._before_pause = TRAINING

    # The fold

    def apply(self, event: Event) -> None:
        """Take one event into account."""
        self.last_t = max(self.last_t, event.t)
        if not (isinstance(event, WorkerUsage) or (isinstance(event, LogLine) and event.stream == "supervisor")):
            self.heard_t = self.last_t
        match event:
            case TrainProgress():
                self._take_progress(event)
            case WorkerUsage() if self.alive:
                self.usage = event
                self.cpu_percent.append(event.cpu_percent)
                if self.running:
                    self.peak_rss_bytes = max(event.rss_bytes, self.peak_rss_bytes or 0)
            case Heartbeat():
                self.device_memory_bytes = event.device_memory_bytes
                if self.running and event.device_memory_bytes is not None:
                    self.peak_device_bytes = max(event.device_memory_bytes, self.peak_device_bytes or 0)
            case Prediction():
                self.prediction = event
            case LogLine():
                self._log(event)
            case SaveFailed():
                self.unsaved[event.run_id, event.what] = event
                text = save_failure(event)
                self._log(LogLine(engine=event.engine, run_id=event.run_id, t=event.t, stream="worker", text=text))
            case RunRequested():
                self._reset_run()
                self.run_id, self.config, self.requested_t = event.run_id, event.config, event.t
                self.build = event.build
                self.failure = None
                self._enter(LOADING if self.worker else IMPORTING, event.t)
            case WorkerSpawned():
                self.pid, self.spawned_t = event.pid, event.t
                self.worker = self.exited = self.prediction = None
                self._enter(IMPORTING, event.t)
            case WorkerReady():
                self.worker = self.last_worker_ready = event
                self.framework = event.framework
                self._enter(READY if self.requested_t is None or self.ended_t is not None else LOADING, event.t)
            case DataProgress():
                self.data_progress = event
            case DataReady():
                self.data = event
                self._enter(BUILDING, event.t)
            case ModelReady():
                self.model = event
            case RunStarted():
                self.started = event
                self.paused_seconds = 0.0  # a pause before this one is not part of the pace
                self._enter(FIRST_STEP, event.t)
            case EpochStarted():
                self.epoch = event.epoch
                if self.phase == EVALUATING:
                    self._enter(TRAINING, event.t)
            case EvalStarted():
                if self.phase in (FIRST_STEP, TRAINING):
                    self._enter(EVALUATING, event.t)
            case EvalCompleted():
                self._take_evaluation(event)
            case EpochCompleted():
                self.epochs_done, self.last_epoch = self.epochs_done + 1, event
                self.epoch_seconds += event.train_seconds
                self.epoch_samples += event.train_seconds * (event.samples_per_sec or 0.0)
                self.first_step_seconds = event.first_step_seconds or self.first_step_seconds
            case CommandSent():
                if self.pending_command != "Stop":
                    self.pending_command = event.command
            case RunPaused():
                self._acknowledge("Pause")
                self._before_pause = self.phase
                self._enter(PAUSED, event.t)
            case RunResumed():
                self._acknowledge("Resume")
                self.paused_seconds += event.t - self.phase_t
                self._enter(self._before_pause, event.t)
            case CheckpointSaved():
                self.checkpoint, self.checkpoint_epoch = event.path, event.epoch
                self.unsaved.pop((event.run_id, "checkpoint"), None)
            case ModelSaved():
                self.unsaved.pop((event.run_id, "model"), None)
            case Diverged():
                self.diverged = event
            case RunFinished():
                self.pending_command = ""
                self.finished, self.ended_t = event, event.t
                self._enter(_ENDS.get(event.outcome, FINISHED), event.t)
            case RunFailed():
                self.pending_command = ""
                self.failure = event
                if self.ended_t is None:  # else it is of a worker that was started after the run
                    self.ended_t = event.t
                self._enter(INTERRUPTED if event.kind == INTERRUPTED else FAILED, event.t)
            case WorkerExited():
                self._take_exit(event)

    def _log(self, line: LogLine) -> None:
        self.log.append(line)
        self.log_count += 1

    def _acknowledge(self, command: str) -> None:
        if self.pending_command == command:
            self.pending_command = ""

    def _enter(self, phase: str, t: float) -> None:
        self.phase, self.phase_t = phase, t

    def _take_progress(self, event: TrainProgress) -> None:
        self.progress = event
        self.train_loss.append(event.global_step, event.loss)
        self.train_accuracy.append(event.global_step, event.accuracy)
        self.step_seconds.append(event.global_step, self.wall_seconds(event.t))
        if self.phase == FIRST_STEP:
            self.first_step_seconds = event.t - self.phase_t
        if self.phase in (FIRST_STEP, TRAINING) and self.started is not None:
            every = self.started.config.eval_every
            evaluates = event.step == self.started.steps_per_epoch or (every and event.global_step % every == 0)
            if evaluates or self.phase != TRAINING:
                self._enter(EVALUATING if evaluates else TRAINING, event.t)

    def _take_evaluation(self, event: EvalCompleted) -> None:
        if self.evaluations:
            self.evaluations[-1] = replace(self.evaluations[-1], confusion=(), mistakes=())
        self.evaluations.append(replace(event, engine=self.engine, run_id=self.run_id))  # one string for all of them
        if len(self.evaluations) > EVALUATIONS:
            self.evaluations = [*_better_halves(self.evaluations[:-1]), event]
        if self.phase == EVALUATING and self.started and event.global_step % max(self.started.steps_per_epoch, 1):
            self._enter(TRAINING, event.t)
        reached = {milestone.accuracy for milestone in self.milestones}
        for accuracy in sorted({*MILESTONES, self.target or MILESTONES[0]}):
            if reaches(event.accuracy, 100 * accuracy) and accuracy not in reached:
                wall = self.wall_seconds(event.t)
                self.milestones.append(Milestone(accuracy, wall, event.train_seconds, event.epoch, event.global_step))

    def _take_exit(self, event: WorkerExited) -> None:
        self.exited = event
        self.pid = self.worker = self.usage = self.device_memory_bytes = None
        self.cpu_percent.append(None)
        if self.phase not in (FINISHED, STOPPED, DIVERGED, FAILED, INTERRUPTED):
            self._enter(OFF, event.t)

    # What the screens ask

    @property
    def stopping(self) -> bool:
        """Whether the run was told to stop and has not ended."""
        return self.running and self.pending_command == "Stop"

    @property
    def running(self) -> bool:
        """Whether a run was asked for and has not ended."""
        return self.requested_t is not None and self.ended_t is None

    @property
    def alive(self) -> bool:
        """Whether there is a worker process."""
        return self.pid is not None

    @property
    def devices(self) -> tuple[Device, ...]:
        """What the framework can train on; empty until the worker is ready."""
        return self.worker.devices if self.worker else ()

    @property
    def total_steps(self) -> int:
        """Steps of the whole run; 0 until it is known."""
        return self.started.total_steps if self.started else 0

    @property
    def global_step(self) -> int:
        """Steps done."""
        return self.progress.global_step if self.progress else 0

    @property
    def fraction(self) -> float:
        """How much of the run's steps are done, 0 to 1."""
        return self.global_step / self.total_steps if self.total_steps else 0.0

    @property
    def target(self) -> float | None:
        """The test accuracy that the run is to reach, a fraction of 1."""
        return self.config.target_accuracy / 100 if self.config and self.config.target_accuracy else None

    @property
    def can_continue(self) -> bool:
        """Whether the run ended early and left a checkpoint to go on from."""
        return bool(self.checkpoint) and not self.running and self.phase in (STOPPED, FAILED, INTERRUPTED, OFF)

    @property
    def outcome(self) -> str:
        """How the run ended: the outcome of its RunFinished, FAILED or INTERRUPTED; empty while it has not ended."""
        if self.finished is not None:
            return self.finished.outcome
        if self.failure is None or self.ended_t is None:
            return ""
        return INTERRUPTED if self.failure.kind == INTERRUPTED else FAILED

    @property
    def test_accuracy(self) -> float | None:
        """Of the last evaluation."""
        return self.evaluations[-1].accuracy if self.evaluations else None

    @property
    def test_loss(self) -> float | None:
        """Of the last evaluation."""
        return self.evaluations[-1].loss if self.evaluations else None

    @property
    def test_interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the last evaluation's accuracy; None, too, where its counts can't be true."""
        if not self.evaluations:
            return None
        n, wrong = sum(self.evaluations[-1].confusion), len(self.evaluations[-1].mistakes)
        return wilson(n - wrong, n) if n > 0 and wrong <= n else None

    @property
    def began_cold(self) -> bool:
        """Whether the run waited for its worker's import, which is then in its wall clock; a warm worker had it behind it."""
        ready_t = self.last_worker_ready.t if self.last_worker_ready is not None else None
        return ready_t is not None and self.requested_t is not None and ready_t > self.requested_t

    def wall_seconds(self, now: float) -> float:
        """Since RunRequested, until the run ended or `now`: the one wall clock of every screen, summary and list."""
        if self.requested_t is None:
            return 0.0
        return max((self.ended_t if self.ended_t is not None else now) - self.requested_t, 0.0)

    def samples_per_sec(self) -> float | None:
        """Training speed of the last finished stretch; None before the second step."""
        if self.progress is None or self.progress.global_step < 2:
            return None
        return self.progress.samples_per_sec

    def eta_seconds(self, now: float) -> float | None:
        """Until the end at the pace since the first step, evaluations included; None before there is a pace."""
        if not self.running or self.started is None or self.global_step < 3 or self.fraction >= 1:
            return None
        paused = self.paused_seconds + (now - self.phase_t if self.phase == PAUSED else 0.0)
        spent = now - self.started.t - paused
        done = self.global_step - self.started.global_step
        return max(spent, 0.0) * (self.total_steps - self.global_step) / done if done > 0 else None

    def silent_seconds(self, now: float) -> float | None:
        """How long a living worker has said nothing, when that is longer than its heart should take."""
        silent = now - self.heard_t
        return silent if self.alive and silent > HEARTBEAT_LOST_SECONDS else None

    def is_slow(self, now: float) -> bool:
        """Whether a living worker is stuck before its training, by the clock alone: its heart may beat on."""
        moved_t = max(self.phase_t, self.data_progress.t if self.data_progress else 0.0)
        return self.alive and self.phase in BEFORE_TRAINING and now - moved_t > SLOW_SECONDS


def _better_halves(evaluations: list[EvalCompleted]) -> list[EvalCompleted]:
    """The more accurate one of each pair."""
    pairs = zip_longest(evaluations[::2], evaluations[1::2])
    return [a if b is None or a.accuracy >= b.accuracy else b for a, b in pairs]
