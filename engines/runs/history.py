"""The history of an engine: a pure fold over its events. No clock, no files, no threads.

The screens, the headless lines, the summaries and the replays all read this and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from engines.config import reaches
from engines.messages.events import (
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
    Heartbeat,
    LearningRateChanged,
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
    StepMeasured,
    TrainProgress,
    TwinsCompared,
    WarmedUp,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
    WorkerUsage,
)
from engines.runs.lifecycle import lifecycle_line
from engines.runs.phases import (
    BUILDING,
    ENDED,
    EVALUATING,
    FAILED,
    FIRST_STEP,
    IMPORTING,
    INTERRUPTED,
    LOADING,
    OFF,
    PAUSED,
    READY,
    TRAINING,
    phase_of_outcome,
)
from engines.runs.run_state import Milestone, RunState
from engines.runs.save_failures import describe_save_failure

MILESTONES = (0.97, 0.98, 0.99)
"""Accuracies whose first evaluation every run records."""
MAX_EVALUATIONS = 2_000
"""More than a chart has columns; a run that evaluates at every step may have millions."""


class RunHistory(RunState):
    """The state of one engine after the events applied so far."""

    def apply(self, event: Event) -> None:
        """Apply one event. An event without a handler only moves the clock."""
        self.last_t = max(self.last_t, event.t)
        if not (isinstance(event, WorkerUsage) or (isinstance(event, LogLine) and event.stream == "supervisor")):
            self.last_worker_t = self.last_t
        handler = _HANDLERS.get(type(event))
        if handler is not None:
            handler(self, event)
        if text := lifecycle_line(event):
            self._on_log_line(LogLine(engine=self.engine, t=event.t, stream="app", text=text))

    def _enter(self, phase: str, t: float) -> None:
        self.phase, self.phase_t = phase, t

    def _enter_training(self, phase: str, t: float) -> None:
        """Enter a phase of the training; while the run is paused, it is the one to return to."""
        if self.phase == PAUSED:
            self._phase_before_pause = phase
        else:
            self._enter(phase, t)

    # The worker

    def _on_worker_spawned(self, event: WorkerSpawned) -> None:
        self.pid, self.spawned_t = event.pid, event.t
        self.worker = self.exited = self.prediction = self.warm_up = None
        self._enter(IMPORTING, event.t)

    def _on_worker_ready(self, event: WorkerReady) -> None:
        self.worker = self.last_worker_ready = event
        self.framework = event.framework
        if self.requested_t is None or self.ended_t is not None:
            self._enter(READY, event.t)
            return
        self.import_wait_seconds = max(min(event.import_seconds, event.t - self.requested_t), 0.0)
        self._enter(LOADING, event.t)

    def _on_warmed_up(self, event: WarmedUp) -> None:
        self.warm_up = event
        if event.samples_per_sec is not None:
            self.warm_samples_per_sec = event.samples_per_sec

    def _on_worker_usage(self, event: WorkerUsage) -> None:
        if not self.alive:
            return
        self.usage = event
        self.cpu_percent.append(event.cpu_percent)
        if self.running:
            self.peak_rss_bytes = max(event.rss_bytes, self.peak_rss_bytes or 0)
            self.cpu_usage.append(self.wall_seconds(event.t), event.cpu_percent)
            self.memory_usage.append(self.wall_seconds(event.t), event.rss_bytes)

    def _on_heartbeat(self, event: Heartbeat) -> None:
        self.device_memory_bytes = event.device_memory_bytes
        if self.running and event.device_memory_bytes is not None:
            self.peak_device_bytes = max(event.device_memory_bytes, self.peak_device_bytes or 0)

    def _on_prediction(self, event: Prediction) -> None:
        self.prediction = event

    def _on_log_line(self, event: LogLine) -> None:
        self.log.append(event)
        self.log_count += 1

    def _on_worker_exited(self, event: WorkerExited) -> None:
        self.exited = event
        self.pid = self.worker = self.usage = self.device_memory_bytes = None
        self.cpu_percent.append(None)
        if self.phase not in ENDED:
            self._enter(OFF, event.t)

    # The run, from its request to its first step

    def _on_run_requested(self, event: RunRequested) -> None:
        self._reset_run()
        self.run_id, self.config, self.requested_t = event.run_id, event.config, event.t
        self.build, self.jobs = event.build, event.jobs
        self.failure = None
        self._enter(LOADING if self.worker else IMPORTING, event.t)

    def _on_data_progress(self, event: DataProgress) -> None:
        self.data_progress = event

    def _on_data_ready(self, event: DataReady) -> None:
        self.data = event
        self._enter_training(BUILDING, event.t)

    def _on_model_ready(self, event: ModelReady) -> None:
        self.model = event

    def _on_run_started(self, event: RunStarted) -> None:
        self.started = event
        self.paused_seconds = 0.0  # a pause before this moment is not part of the pace
        self._enter_training(FIRST_STEP, event.t)

    # Steps, evaluations and epochs

    def _on_epoch_started(self, event: EpochStarted) -> None:
        self.epoch = event.epoch
        if self.training_phase == EVALUATING:
            self._enter_training(TRAINING, event.t)

    def _on_train_progress(self, event: TrainProgress) -> None:
        self._add_to_epoch(event)
        self.progress = event
        self.train_loss.append(event.global_step, event.loss)
        self.train_accuracy.append(event.global_step, event.accuracy)
        self.speed.append(event.global_step, event.samples_per_sec)
        self.learning_rate.append(event.global_step, event.learning_rate)
        self.step_seconds.append(event.global_step, self.wall_seconds(event.t))
        if self.phase == FIRST_STEP:
            self.first_step_seconds = event.t - self.phase_t
        if self.training_phase in (FIRST_STEP, TRAINING) and self.started is not None:
            every = self.started.config.eval_every
            evaluates = event.step == self.started.steps_per_epoch or (every and event.global_step % every == 0)
            if evaluates or self.training_phase != TRAINING:
                self._enter_training(EVALUATING if evaluates else TRAINING, event.t)

    def _add_to_epoch(self, event: TrainProgress) -> None:
        """Update the means since the epoch began; at its end they are those of EpochCompleted."""
        before = self.progress
        if before is None or before.epoch != event.epoch:
            self._epoch_sums = (0.0, 0.0, 0)
        samples = max(event.samples_seen - (before.samples_seen if before else 0), 1)
        loss_sum, correct, total = self._epoch_sums
        loss_sum, correct, total = loss_sum + event.loss * samples, correct + event.accuracy * samples, total + samples
        self._epoch_sums = loss_sum, correct, total
        self.epoch_loss.append(event.global_step, loss_sum / total)
        self.epoch_accuracy.append(event.global_step, correct / total)

    def _on_eval_started(self, event: EvalStarted) -> None:
        if self.training_phase in (FIRST_STEP, TRAINING):
            self._enter_training(EVALUATING, event.t)

    def _on_eval_completed(self, event: EvalCompleted) -> None:
        event = replace(event, engine=self.engine, run_id=self.run_id)  # shares two strings among all
        if event.split != "validation":
            self.tested = event
            if self.split == "validation":  # the test digits judge nothing
                return
        if self.evaluations:
            self.evaluations[-1] = replace(self.evaluations[-1], confusion=(), mistakes=())
        self.evaluations.append(event)
        if len(self.evaluations) > MAX_EVALUATIONS:
            self.evaluations = [*_thin_keeping_best(self.evaluations[:-1]), event]
        if (
            self.training_phase == EVALUATING
            and self.started
            and event.global_step % max(self.started.steps_per_epoch, 1)
        ):
            self._enter_training(TRAINING, event.t)
        reached = {milestone.accuracy for milestone in self.milestones}
        for accuracy in sorted({*MILESTONES, self.target or MILESTONES[0]}):
            if reaches(event.accuracy, 100 * accuracy) and accuracy not in reached:
                wall = self.wall_seconds(event.t)
                self.milestones.append(Milestone(accuracy, wall, event.train_seconds, event.epoch, event.global_step))

    def _on_epoch_completed(self, event: EpochCompleted) -> None:
        self.epochs_done, self.last_epoch = self.epochs_done + 1, event
        self.epoch_seconds += event.train_seconds
        self.epoch_times.append(event.train_seconds)
        self.epoch_samples += event.train_seconds * (event.samples_per_sec or 0.0)
        self.first_step_seconds = event.first_step_seconds or self.first_step_seconds

    def _on_diverged(self, event: Diverged) -> None:
        self.diverged = event

    def _on_learning_rate_changed(self, event: LearningRateChanged) -> None:
        self.rate_changes.append(event)

    def _on_step_measured(self, event: StepMeasured) -> None:
        self.measured_step = event

    def _on_twins_compared(self, event: TwinsCompared) -> None:
        self.twins.append(event)

    # Commands

    def _on_command_sent(self, event: CommandSent) -> None:
        if self.pending_command != "Stop":
            self.pending_command = event.command

    def _on_run_paused(self, event: RunPaused) -> None:
        self._acknowledge("Pause")
        self._phase_before_pause = self.phase
        self._enter(PAUSED, event.t)

    def _on_run_resumed(self, event: RunResumed) -> None:
        self._acknowledge("Resume")
        self.paused_seconds += event.t - self.phase_t
        self._enter(self._phase_before_pause, event.t)

    def _acknowledge(self, command: str) -> None:
        if self.pending_command == command:
            self.pending_command = ""

    # Files

    def _on_checkpoint_saved(self, event: CheckpointSaved) -> None:
        self.checkpoint, self.checkpoint_epoch = event.path, event.epoch
        self.unsaved.pop((event.run_id, "checkpoint"), None)

    def _on_model_saved(self, event: ModelSaved) -> None:
        self.unsaved.pop((event.run_id, "model"), None)

    def _on_save_failed(self, event: SaveFailed) -> None:
        self.unsaved[event.run_id, event.what] = event
        text = describe_save_failure(event)
        self._on_log_line(LogLine(engine=event.engine, run_id=event.run_id, t=event.t, stream="worker", text=text))

    # The end

    def _on_run_finished(self, event: RunFinished) -> None:
        self.pending_command = ""
        self.finished, self.ended_t = event, event.t
        self._enter(phase_of_outcome(event.outcome), event.t)

    def _on_run_failed(self, event: RunFailed) -> None:
        self.pending_command = ""
        self.failure = event
        if self.ended_t is None:  # otherwise a worker failed that was started after the run
            self.ended_t = event.t
        self._enter(INTERRUPTED if event.kind == INTERRUPTED else FAILED, event.t)


_HANDLERS: dict[type[Event], Callable[[RunHistory, Any], None]] = {
    WorkerSpawned: RunHistory._on_worker_spawned,
    WorkerReady: RunHistory._on_worker_ready,
    WarmedUp: RunHistory._on_warmed_up,
    WorkerUsage: RunHistory._on_worker_usage,
    Heartbeat: RunHistory._on_heartbeat,
    Prediction: RunHistory._on_prediction,
    LogLine: RunHistory._on_log_line,
    WorkerExited: RunHistory._on_worker_exited,
    RunRequested: RunHistory._on_run_requested,
    DataProgress: RunHistory._on_data_progress,
    DataReady: RunHistory._on_data_ready,
    ModelReady: RunHistory._on_model_ready,
    RunStarted: RunHistory._on_run_started,
    EpochStarted: RunHistory._on_epoch_started,
    TrainProgress: RunHistory._on_train_progress,
    EvalStarted: RunHistory._on_eval_started,
    EvalCompleted: RunHistory._on_eval_completed,
    EpochCompleted: RunHistory._on_epoch_completed,
    Diverged: RunHistory._on_diverged,
    LearningRateChanged: RunHistory._on_learning_rate_changed,
    StepMeasured: RunHistory._on_step_measured,
    TwinsCompared: RunHistory._on_twins_compared,
    CommandSent: RunHistory._on_command_sent,
    RunPaused: RunHistory._on_run_paused,
    RunResumed: RunHistory._on_run_resumed,
    CheckpointSaved: RunHistory._on_checkpoint_saved,
    ModelSaved: RunHistory._on_model_saved,
    SaveFailed: RunHistory._on_save_failed,
    RunFinished: RunHistory._on_run_finished,
    RunFailed: RunHistory._on_run_failed,
}


def _thin_keeping_best(evaluations: list[EvalCompleted]) -> list[EvalCompleted]:
    """Return the more accurate evaluation of each pair."""
    pairs = zip_longest(evaluations[::2], evaluations[1::2])
    return [a if b is None or a.accuracy >= b.accuracy else b for a, b in pairs]
