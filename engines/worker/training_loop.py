"""Train one run of one engine: its epochs, its clocks and its events, the same for every framework."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engines.atomic_file import write_atomically
from engines.config import reaches
from engines.errors import reason
from engines.experiment import checkpoint, recipe
from engines.experiment.arrays import Arrays
from engines.experiment.checkpoint import Best
from engines.experiment.contract import Engine, ParallelEngine
from engines.experiment.progress import Interval, Position
from engines.messages.commands import Start
from engines.messages.events import (
    CheckpointSaved,
    DataReady,
    Diverged,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    EvalStarted,
    ModelReady,
    ModelSaved,
    RunFinished,
    RunStarted,
    SaveFailed,
    StepMeasured,
    TrainProgress,
)
from engines.preset_configs import for_engine
from engines.worker import placement
from engines.worker.evaluation import evaluate
from engines.worker.rate_changes import change_rates, steps_before_change
from engines.worker.step_measurement import StepMeasurement

if TYPE_CHECKING:
    from engines.worker.trainer import Trainer

EVENT_SECONDS = 0.05
"""Seconds between two TrainProgress events: at most 20 a second."""

CALL_SECONDS = 0.1
"""Seconds of training in one call, between two polls for commands."""

MAX_STEPS_PER_CALL = 512

DIVERGENCE_SAMPLES = 6_400
"""Samples between two checks for divergence, whatever the machine's speed: 50 steps of the reference."""


class Run:
    """The state of one run."""

    def __init__(self, trainer: Trainer, start: Start) -> None:
        self.trainer = trainer
        self.channel = trainer.channel
        self.module = trainer.module
        self.start = start
        self.config = for_engine(start.config, self.channel.engine)
        self._engine: Engine | None = None
        self.position = Position()
        self.first_step_seconds: float | None = None
        """Seconds of this process's first step, in a resumed run too."""
        self.first_filters: Arrays = {}
        """The first layer's kernels after the first epoch, as the checkpoint keeps them."""
        self.best: Best | None = None
        """The network in its best evaluation, until it is written."""
        self.epochs_done = 0
        """Epochs that this process completed."""
        self.interval = Interval()
        """The training since the last TrainProgress."""
        self.unchecked = Interval()
        """The training since the last check for divergence."""
        self.diverged = False
        self.outcome = ""
        """The reason for an end before the last epoch; empty until there is one."""
        self.steps_per_call = 1

    def run(self) -> None:
        """Train all epochs, or until a reason to end early, and save the model."""
        self._prepare()
        while self.position.epoch <= self.config.epochs and not self.outcome:
            self._run_epoch()
            self.save()
        self._save_model()
        self.channel.publish(
            RunFinished,
            outcome=self.outcome or "completed",
            test_accuracy=self.position.test_accuracy,
            test_loss=self.position.test_loss,
            best_epoch=self.position.best_epoch or None,
            train_seconds=self.position.train_seconds,
            wall_seconds=time.monotonic() - self.start.requested_t,
        )

    @property
    def engine(self) -> Engine:
        """The engine, once it is built."""
        assert self._engine is not None
        return self._engine

    # Prepare

    def _prepare(self) -> None:
        device = placement.resolve(self.config.device, self.trainer.devices, self.start.auto)
        if self.config.precision == "tf32" and device.startswith("cpu"):
            raise placement.DeviceError("tf32 needs a CUDA GPU; on a CPU choose fp32 or bf16.")
        self.config = dataclasses.replace(self.config, device=device)
        if self.start.run_dir:
            with contextlib.suppress(OSError):  # SaveFailed reports it later; a folder that was deleted stays deleted
                Path(self.start.run_dir).mkdir(parents=True, exist_ok=True)
        self._load_data()
        self._build_engine()
        self.channel.publish(
            RunStarted,
            config=self.config,
            device=device,
            precision=self.config.precision,
            num_threads=self.trainer.threads,
            steps_per_epoch=self.steps,
            total_steps=self.steps * self.config.epochs,
            global_step=self.position.global_step,
        )

    def _load_data(self) -> None:
        before = time.monotonic()
        self.all_digits = self.trainer.load_data(self.config)
        self.digits = self.all_digits.hold_out(self.config.validation, self.config.seed)
        self.steps = -(-len(self.digits.train_labels) // self.config.batch_size)
        self.channel.publish(
            DataReady,
            dataset=self.digits.dataset,
            source=self.digits.source,
            sha256=self.all_digits.sha256,
            train_size=len(self.digits.train_labels),
            test_size=self.digits.test_size,
            seconds=time.monotonic() - before,
            validation_size=self.digits.held_out,
            validation_sha256=self.digits.validation_sha256,
        )

    def _build_engine(self) -> None:
        before = time.monotonic()
        self.channel.model, self.channel.loaded_from = None, ""  # free the last run's memory first
        weights = recipe.initial_weights(self.config.seed)
        state: Arrays = {}
        if self.start.resume:
            path = Path(self.start.resume)
            self.position, weights, state = checkpoint.load(path, self.config, self.all_digits)
            self.first_filters = checkpoint.read_first_filters(path)
            self.best = checkpoint.load_best(path, self.position)
            if self.digits.held_out:  # the test digits wait for the new end
                self.position.test_accuracy = self.position.test_loss = None
        self._engine = placement.engine_class(self.module, self.config.device)(self.config, self.digits, weights)
        if state:
            self.engine.load_state(state)
            self.save()  # so that the new run can be resumed even before its first epoch ends
        self.channel.model, self.channel.position = self.engine, (self.position.epoch, self.position.global_step)
        layers = recipe.layer_parameters()
        self.channel.publish(
            ModelReady,
            layers=layers,
            parameters=sum(count for _, count in layers),
            seconds=time.monotonic() - before,
        )

    # Train

    def _run_epoch(self) -> None:
        """Train and evaluate one epoch, or the rest of one after a resume."""
        position, config = self.position, self.config
        self.order = recipe.epoch_order(config.seed, position.epoch, len(self.digits.train_labels))
        self.rates = recipe.learning_rates(config, position.epoch, self.steps) * np.float32(position.rate_factor)
        self.channel.publish(EpochStarted, epoch=position.epoch, order_sha256=recipe.order_sha256(self.order))
        self.engine.start_epoch(self.order, self.rates)
        self._train()
        if self.outcome == "diverged":
            return
        if position.step and position.global_step != position.evaluated_step:
            self._evaluate()
        if self.digits.held_out and position.global_step and (self.outcome or self._is_last_step()):
            self._evaluate_on("test")
        if position.step == self.steps:
            self.channel.publish(
                EpochCompleted,
                epoch=position.epoch,
                train_loss=position.loss_sum / len(self.order),
                train_accuracy=position.correct / len(self.order),
                train_seconds=position.epoch_seconds,
                samples_per_sec=position.timed_samples / position.epoch_seconds if position.epoch_seconds else None,
                first_step_seconds=self.first_step_seconds if not self.epochs_done else None,
            )
            self.epochs_done += 1
            if position.epoch == 1 and "conv1.kernel" in (weights := self.engine.weights()):
                self.first_filters = {checkpoint.FIRST_FILTERS: weights["conv1.kernel"].copy()}
            position.next_epoch()

    def _is_last_step(self) -> bool:
        """Return whether the run's last step is done."""
        return self.position.epoch == self.config.epochs and self.position.step == self.steps

    def _train(self) -> None:
        """Train the epoch's steps until its end, or until a reason to stop."""
        self.interval = Interval()
        while self.position.step < self.steps:
            self.channel.poll()
            if self.channel.stop_requested:
                self.outcome = self.outcome or "stopped"
            if self.outcome:
                break
            change_rates(self)
            is_first_call = self.first_step_seconds is None
            by_hand = self.channel.steps_requested > 0
            if by_hand:
                self.channel.steps_requested -= 1
                if self.interval.samples:  # so that the next TrainProgress is of this step alone
                    self._publish_progress()
            if by_hand or (self.channel.measure_requested and not is_first_call):
                self._measure_step()
            else:
                self._train_steps()
            epoch_ends = self.position.step == self.steps
            evaluates = self.config.eval_every and self.position.global_step % self.config.eval_every == 0
            is_due = time.monotonic() - self.interval.started >= EVENT_SECONDS
            if by_hand or is_first_call or epoch_ends or evaluates or is_due:
                self._publish_progress()
            self._check_divergence()
            if evaluates and not epoch_ends and not self.outcome:
                self._evaluate()
            if self.channel.checkpoint_requested:
                self.save()
        if self.interval.samples:
            self._publish_progress()

    def _measure_step(self) -> None:
        """Train one step, and publish how it changed each layer; the training is what it would be without."""
        self.channel.measure_requested = False
        first, steps_per_call, problem = self.position.step, self.steps_per_call, ""
        try:
            batch = self.order[first * self.config.batch_size : (first + 1) * self.config.batch_size]
            measurement = StepMeasurement(self.trainer.inspection, self.engine, self.digits, batch)
        except Exception as error:
            problem = str(error) or type(error).__name__
        self.steps_per_call = 1
        loss_sum, correct, samples = self._train_steps()
        self.steps_per_call = steps_per_call
        self.channel.publish(
            StepMeasured,
            global_step=self.position.global_step,
            loss=loss_sum / samples,
            correct=round(correct),
            samples=samples,
            layers=() if problem else measurement.changes(self.engine.weights()),
            problem=problem,
        )

    def _train_steps(self) -> tuple[float, float, int]:
        """Train the steps of one call, and add up its figures; return the sum of losses, the right answers, and the samples."""
        position = self.position
        first, last = position.step, self._last_step_of_call()
        before = time.perf_counter()
        loss_sum, correct = self.engine.train_steps(first, last)
        seconds, samples = time.perf_counter() - before, self._samples(first, last)
        if self.first_step_seconds is None:
            self.first_step_seconds = seconds
            position.advance(last, loss_sum, correct)
        else:
            position.advance(last, loss_sum, correct, seconds, samples)
            self._tune_call_size(last - first, seconds)
        for interval in (self.interval, self.unchecked):
            interval.add(loss_sum, correct, seconds, samples)
        self.channel.position = (position.epoch, position.global_step)
        return loss_sum, correct, samples

    def _last_step_of_call(self) -> int:
        """Return the step at which the next call ends: at the latest at the epoch's end, an evaluation, or a new rate."""
        step, every = self.position.step, self.config.eval_every
        ahead = [steps for steps in steps_before_change(self) if steps > 0]
        last = min(step + min([self.steps_per_call, *ahead]), self.steps)
        return min(last, step + every - self.position.global_step % every) if every else last

    def _samples(self, first: int, last: int) -> int:
        """Count the samples of the epoch's steps first..last-1."""
        return min(last * self.config.batch_size, len(self.digits.train_labels)) - first * self.config.batch_size

    def _tune_call_size(self, done: int, seconds: float) -> None:
        """Fit as many steps as possible into CALL_SECONDS: a few on a CPU; many on a GPU, which synchronises once a call.

        `done` are the steps of the last call, which an epoch's end or an evaluation may have cut short.
        """
        steps = int(done * CALL_SECONDS / max(seconds, 1e-6))
        self.steps_per_call = max(1, min(steps, 2 * self.steps_per_call, MAX_STEPS_PER_CALL))

    def _publish_progress(self) -> None:
        """Publish the means of the interval, and start the next one."""
        position, interval = self.position, self.interval
        self.channel.publish(
            TrainProgress,
            epoch=position.epoch,
            step=position.step,
            global_step=position.global_step,
            samples_seen=(position.epoch - 1) * len(self.digits.train_labels) + self._samples(0, position.step),
            loss=interval.loss_sum / interval.samples,
            accuracy=interval.correct / interval.samples,
            samples_per_sec=interval.samples / interval.seconds if interval.seconds else 0.0,
            learning_rate=float(self.rates[position.step - 1]),
        )
        self.interval = Interval()

    def _check_divergence(self) -> None:
        """Check for divergence every DIVERGENCE_SAMPLES, at the epoch's end, and on any non-finite loss."""
        loss_sum, samples = self.unchecked.loss_sum, self.unchecked.samples
        if samples < DIVERGENCE_SAMPLES and self.position.step < self.steps and math.isfinite(loss_sum):
            return
        self.unchecked = Interval()
        if recipe.has_diverged(loss_sum / samples) and not self.diverged:
            self.diverged = True
            self.channel.publish(
                Diverged, epoch=self.position.epoch, global_step=self.position.global_step, loss=loss_sum / samples
            )
        if self.diverged and self.config.stop_on_nan:
            self.outcome = "diverged"

    # Evaluate

    def _evaluate(self) -> None:
        """Evaluate on the held-out digits, or without any the test digits; end the run if a rule of its config says so."""
        accuracy = self._evaluate_on("validation" if self.digits.held_out else "test")
        is_best = self.position.record_evaluation(accuracy)
        if is_best and not self.diverged:
            weights = {name: value.copy() for name, value in self.engine.weights().items()}
            self.best = Best(position=dataclasses.replace(self.position), weights=weights)
        if self.config.target_accuracy and reaches(accuracy, self.config.target_accuracy):
            self.outcome = self.outcome or "target-reached"
        elif self.config.patience and not is_best and self.position.evaluations_since_best >= self.config.patience:
            self.outcome = self.outcome or "no-progress"

    def _evaluate_on(self, split: str) -> float:
        """Evaluate on the digits of "validation" or "test", and publish the figures; return the accuracy."""
        position = self.position
        self.channel.publish(EvalStarted, epoch=position.epoch, global_step=position.global_step)
        evaluation = evaluate(self.engine, self.digits, split, self.channel.poll)
        if split == "test":
            position.test_accuracy, position.test_loss = evaluation.accuracy, evaluation.loss
        self.channel.publish(
            EvalCompleted,
            epoch=position.epoch,
            global_step=position.global_step,
            train_seconds=position.train_seconds,
            **evaluation._asdict(),
        )
        return evaluation.accuracy

    def close(self) -> None:
        """End the replicas of an engine on several devices; its model still predicts."""
        if isinstance(self._engine, ParallelEngine):
            self._engine.close()

    # Save

    def save(self) -> None:
        """Write the best weights and, unless the run has diverged, a checkpoint; a failure is published, not raised."""
        self.channel.checkpoint_requested = False
        if not self.start.run_dir or self._engine is None or not self.position.global_step:
            return
        path = Path(self.start.run_dir) / f"{self.channel.engine}.npz"
        try:
            if self.best is not None:  # before the checkpoint, whose position names it
                checkpoint.save_best(path, self.best, self.config, self.all_digits)
                self.best = None
            if self.diverged:
                return
            checkpoint.save(path, self.position, self.config, self.all_digits, self._engine, self.first_filters)
        except OSError as error:
            self.channel.publish(SaveFailed, what="checkpoint", path=str(path), reason=reason(error))
        else:
            self.channel.publish(
                CheckpointSaved, path=str(path), epoch=self.position.epoch, global_step=self.position.global_step
            )

    def _save_model(self) -> None:
        """Write the model in its library's own format; a failure is published, not raised."""
        if not self.start.run_dir or not self.position.global_step:
            return
        path = Path(self.start.run_dir) / self.module.MODEL_FILE
        try:
            write_atomically(path, self.engine.save_model)
        except Exception as error:  # libraries raise errors of any type, and the training itself has succeeded
            self.channel.publish(SaveFailed, what="model", path=str(path), reason=reason(error))
        else:
            self.channel.publish(ModelSaved, path=str(path))
