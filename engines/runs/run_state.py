"""The state of an engine: its worker, its current or last run, and what follows from them by arithmetic."""

from __future__ import annotations

from collections import deque

from engines.config import TrainConfig
from engines.messages.events import (
    DataProgress,
    DataReady,
    Device,
    Diverged,
    EpochCompleted,
    EvalCompleted,
    LearningRateChanged,
    LogLine,
    ModelReady,
    Prediction,
    RunFailed,
    RunFinished,
    RunStarted,
    SaveFailed,
    StepMeasured,
    TrainProgress,
    TwinsCompared,
    WarmedUp,
    WorkerExited,
    WorkerReady,
    WorkerUsage,
)
from engines.record import Record
from engines.runs.bounded_series import BoundedSeries
from engines.runs.phases import BEFORE_TRAINING, FAILED, INTERRUPTED, OFF, PAUSED, RESUMABLE, TRAINING
from engines.runs.statistics import wilson

MAX_LOG_LINES = 2_000
MAX_USAGE_SAMPLES = 240
HEARTBEAT_LOST_SECONDS = 6.0
"""Seconds of silence after which a worker is shown as not answering."""
SLOW_SECONDS = 60.0
"""Seconds in one phase before training after which a worker may hang; usually each takes a few seconds."""


class Milestone(Record, kw_only=False):
    """The first evaluation of the digits that judge with at least this accuracy; nothing is interpolated between evaluations."""

    accuracy: float
    wall_seconds: float
    """Wall time of the run, as `RunState.wall_seconds` counts it."""
    train_seconds: float
    epoch: int
    global_step: int


class RunState:
    """One engine's worker and its current or last run. Only reads; `RunHistory` applies the events."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.last_t = 0.0
        """Time of the newest event."""
        self.last_worker_t = 0.0
        """Time of the newest event that the worker itself sent; usage and the supervisor's lines are no sign of life."""
        self.pid: int | None = None
        self.spawned_t = 0.0
        self.worker: WorkerReady | None = None
        self.last_worker_ready: WorkerReady | None = None
        """The introduction of the current or the last worker."""
        self.warm_samples_per_sec: float | None = None
        """Digits per second on the CPU, from the warm-up of the newest worker that had the time for it."""
        self.warm_up: WarmedUp | None = None
        """The warm-up of the current or the last worker; None when its first run came before it."""
        self.framework = ""
        """Framework of the current or the last worker, for people."""
        self.prediction: Prediction | None = None
        """The newest prediction of the current worker."""
        self.exited: WorkerExited | None = None
        self.failure: RunFailed | None = None
        self.usage: WorkerUsage | None = None
        self.cpu_percent: deque[float | None] = deque(maxlen=MAX_USAGE_SAMPLES)
        self.device_memory_bytes: int | None = None
        self.log: deque[LogLine] = deque(maxlen=MAX_LOG_LINES)
        self.log_count = 0
        """Lines logged so far, those that `log` has dropped included."""
        self.unsaved: dict[tuple[str, str], SaveFailed] = {}
        """Files that this run and earlier ones could not write, by run id and kind of file."""
        self.phase = OFF
        self.phase_t = 0.0
        """Time at which the phase began."""
        self._reset_run()

    def _reset_run(self) -> None:
        """Forget the last run; the worker stays."""
        self.run_id = ""
        self.config: TrainConfig | None = None
        self.build = ""
        """The build of mnist-tui that ran it."""
        self.jobs = 1
        """Number of jobs that trained the seeds of its series at the same time."""
        self.requested_t: float | None = None
        self.import_wait_seconds = 0.0
        """Seconds of the worker's import that are part of the run's wall time; 0 when the worker was imported before."""
        self.ended_t: float | None = None
        self.paused_seconds = 0.0
        self.peak_rss_bytes: int | None = None
        self.peak_device_bytes: int | None = None
        self.pending_command = ""
        """The command that was sent and not acted on yet, as in CommandSent; a Stop is pending until the run has ended."""
        self.data_progress: DataProgress | None = None
        self.data: DataReady | None = None
        self.model: ModelReady | None = None
        self.started: RunStarted | None = None
        self.first_step_seconds: float | None = None
        self.epoch = 0
        self.progress: TrainProgress | None = None
        self.train_loss = BoundedSeries()
        self.train_accuracy = BoundedSeries()
        """Points (global_step, mean since the point before), as `train_loss` has them: what the curves show."""
        self.epoch_loss = BoundedSeries()
        self.epoch_accuracy = BoundedSeries()
        """Points (global_step, mean since the epoch began), as `epoch_loss` has them: the training figures of every screen."""
        self._epoch_sums = (0.0, 0.0, 0)
        """Sums of loss and correct answers, and the number of samples, since the epoch began."""
        self.speed = BoundedSeries()
        """Points (global_step, samples per second)."""
        self.learning_rate = BoundedSeries()
        self.cpu_usage = BoundedSeries()
        self.memory_usage = BoundedSeries()
        """Points (wall seconds, bytes) of the worker's process tree during the run; `cpu_usage` has percent of one core."""
        self.step_seconds = BoundedSeries()
        """Points (global_step, wall seconds at which the step was done)."""
        self.evaluations: list[EvalCompleted] = []
        """The evaluations that judge the run, at most MAX_EVALUATIONS, the best among them.

        They are of the digits that `split` names; only the newest has its confusion and mistakes."""
        self.tested: EvalCompleted | None = None
        """The newest evaluation of the test digits."""
        self.epochs_done = 0
        self.epoch_seconds = self.epoch_samples = 0.0
        """Training time and samples of all epochs, without the first step."""
        self.epoch_times: list[float] = []
        """Training seconds of each epoch, without the first step."""
        self.last_epoch: EpochCompleted | None = None
        self.milestones: list[Milestone] = []
        self.finished: RunFinished | None = None
        self.diverged: Diverged | None = None
        self.rate_changes: list[LearningRateChanged] = []
        """The user's changes of the learning rate."""
        self.measured_step: StepMeasured | None = None
        """The newest step of the run whose changes were measured."""
        self.twins: list[TwinsCompared] = []
        """The comparisons with the other engine that this one's epochs completed."""
        self.checkpoint = ""
        """Path of the newest checkpoint."""
        self.checkpoint_epoch = 0
        """The epoch in which a resumed run would continue."""
        self._phase_before_pause = TRAINING

    @property
    def training_phase(self) -> str:
        """The phase; while the run is paused, the one to which it returns."""
        return self._phase_before_pause if self.phase == PAUSED else self.phase

    @property
    def step_by_hand(self) -> StepMeasured | None:
        """The newest step that the paused run trained alone, at the user's command; None when there is none."""
        step = self.measured_step
        return step if step is not None and self.phase == PAUSED and step.t >= self.phase_t else None

    @property
    def stopping(self) -> bool:
        """True while a Stop was sent and the run has not ended."""
        return self.running and self.pending_command == "Stop"

    @property
    def killed(self) -> bool:
        """True when the user killed the worker in mid-run."""
        return self.failure is not None and self.failure.kind == "killed"

    @property
    def running(self) -> bool:
        """True from RunRequested until the run has ended."""
        return self.requested_t is not None and self.ended_t is None

    @property
    def alive(self) -> bool:
        """True while there is a worker process."""
        return self.pid is not None

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices that the framework can train on; empty until the worker is ready."""
        return self.worker.devices if self.worker else ()

    @property
    def total_steps(self) -> int:
        """Number of steps in the whole run; 0 until the run has started."""
        return self.started.total_steps if self.started else 0

    @property
    def global_step(self) -> int:
        """Number of steps done."""
        return self.progress.global_step if self.progress else 0

    @property
    def fraction(self) -> float:
        """The share of the run's steps that are done, 0 to 1."""
        return self.global_step / self.total_steps if self.total_steps else 0.0

    @property
    def target(self) -> float | None:
        """The accuracy that the run is to reach, as a fraction of 1."""
        return self.config.target_accuracy / 100 if self.config and self.config.target_accuracy else None

    @property
    def can_continue(self) -> bool:
        """True when the run ended early and left a checkpoint to resume from."""
        return bool(self.checkpoint) and not self.running and self.phase in (*RESUMABLE, OFF)

    @property
    def outcome(self) -> str:
        """The end of the run: the outcome of its RunFinished, FAILED or INTERRUPTED; empty while it has not ended."""
        if self.finished is not None:
            return self.finished.outcome
        if self.failure is None or self.ended_t is None:
            return ""
        return INTERRUPTED if self.failure.kind == INTERRUPTED else FAILED

    @property
    def test_accuracy(self) -> float | None:
        """Accuracy in the last evaluation of the test digits."""
        return self.tested.accuracy if self.tested else None

    @property
    def test_loss(self) -> float | None:
        """Loss in the last evaluation of the test digits."""
        return self.tested.loss if self.tested else None

    @property
    def test_interval(self) -> tuple[float, float] | None:
        """Wilson's 95 % interval of the test accuracy; None also where its counts can't be true."""
        if self.tested is None:
            return None
        n, wrong = sum(self.tested.confusion), len(self.tested.mistakes)
        return wilson(n - wrong, n) if n > 0 and wrong <= n else None

    @property
    def cold_start(self) -> bool:
        """True when the run waited for its worker's import, which then counts in its wall time."""
        return self.import_wait_seconds > 0

    @property
    def build_seconds(self) -> float | None:
        """Seconds to build the engine, those of the worker's first build, in its warm-up, included; None while they are unknown.

        They stay unknown where the first build was in an earlier run, or in a warm-up that is not recorded.
        """
        in_warm_up = self.warm_up.build_seconds if self.warm_up is not None else None
        return self._with_warm_up(self.model.seconds if self.model is not None else None, in_warm_up)

    @property
    def first_steps_seconds(self) -> float | None:
        """Seconds of the first step, that of the worker's warm-up included; None while they are unknown, as `build_seconds`."""
        in_warm_up = self.warm_up.first_step_seconds if self.warm_up is not None else None
        return self._with_warm_up(self.first_step_seconds, in_warm_up)

    def _with_warm_up(self, seconds: float | None, in_warm_up: float | None) -> float | None:
        if seconds is None or self.cold_start:
            return seconds
        return None if in_warm_up is None else seconds + in_warm_up

    @property
    def best_accuracy(self) -> float | None:
        """Highest accuracy of all evaluations that judge the run."""
        return max((evaluation.accuracy for evaluation in self.evaluations), default=None)

    @property
    def split(self) -> str:
        """The digits that judge the run, as in EvalCompleted: "validation" for held-out ones, else "test"."""
        return "validation" if self.config and self.config.validation else "test"

    @property
    def best_epoch(self) -> int | None:
        """The epoch of the first evaluation with the highest accuracy."""
        best = max(self.evaluations, key=lambda evaluation: evaluation.accuracy, default=None)
        return None if best is None else best.epoch

    @property
    def train_figures(self) -> tuple[float | None, float | None]:
        """Training (loss, accuracy): means over the digits since the epoch began, as Keras' progress bar shows them."""
        loss, accuracy = self.epoch_loss.last, self.epoch_accuracy.last
        return (loss[1] if loss else None), (accuracy[1] if accuracy else None)

    def wall_seconds(self, now: float) -> float:
        """Return seconds from RunRequested to the run's end or `now`: the wall time of every screen, summary and list."""
        if self.requested_t is None:
            return 0.0
        return max((self.ended_t if self.ended_t is not None else now) - self.requested_t, 0.0)

    def samples_per_sec(self) -> float | None:
        """Return the training speed of the last finished stretch; None before the second step."""
        if self.progress is None or self.progress.global_step < 2:
            return None
        return self.progress.samples_per_sec

    def eta_seconds(self, now: float) -> float | None:
        """Return seconds to the end at the pace since the first step, evaluations included; None before there is a pace."""
        if not self.running or self.started is None or self.global_step < 3 or self.fraction >= 1:
            return None
        paused = self.paused_seconds + (now - self.phase_t if self.phase == PAUSED else 0.0)
        spent = now - self.started.t - paused
        done = self.global_step - self.started.global_step
        return max(spent, 0.0) * (self.total_steps - self.global_step) / done if done > 0 else None

    def silent_seconds(self, now: float) -> float | None:
        """Return how long a living worker has been silent; None while that is shorter than HEARTBEAT_LOST_SECONDS."""
        silent = now - self.last_worker_t
        return silent if self.alive and silent > HEARTBEAT_LOST_SECONDS else None

    def is_slow(self, now: float) -> bool:
        """Return whether a living worker is stuck before training, by the clock alone: it may still send heartbeats."""
        moved_t = max(self.phase_t, self.data_progress.t if self.data_progress else 0.0)
        return self.alive and self.phase in BEFORE_TRAINING and now - moved_t > SLOW_SECONDS
