"""One run of one engine: its epochs, its clocks and its events, the same for every framework."""

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
from engines.experiment.contract import Engine, ParallelEngine
from engines.experiment.progress import Position
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
    TrainProgress,
)
from engines.preset_configs import for_engine
from engines.worker import placement
from engines.worker.placement import DeviceError

if TYPE_CHECKING:
    from engines.worker.trainer import Trainer

EVENT_SECONDS = 0.05
"""At most 20 progress events a second."""

CALL_SECONDS = 0.1
"""Of training between two looks at the commands: entering a traced function costs Keras 4 % of a step."""

EVAL_BATCH = 200
"""Test digits in one call: a quarter faster than 500 on a CPU in both frameworks, because the activations stay in its cache."""

MAX_STEPS_PER_CALL = 512

JUDGED_SAMPLES = 6_400
"""So many losses together say whether training is lost: 50 steps of the reference."""


class Run:
    """The state of one run."""

    def __init__(self, trainer: Trainer, start: Start) -> None:
        self.trainer = trainer
        self.control = trainer._control
        self.module = trainer._module
        self.start = start
        self.config = for_engine(start.config, self.control.engine)
        self._engine: Engine | None = None
        self.position = Position()
        self.first_step_seconds: float | None = None
        """Of this process, resumed or not."""
        self.epochs_done = 0
        """By this process."""
        self.judged = (0.0, 0)
        """(sum of losses, samples) since it was last judged whether training is lost."""
        self.diverged = False
        self.outcome = ""
        """Why the run ends before its last epoch; empty while it goes on."""
        self.steps_per_call = 1

    def run(self) -> None:
        """The whole run."""
        self._prepare()
        while self.position.epoch <= self.config.epochs and not self.outcome:
            self._epoch()
        self._save_model()
        self.control.emit(
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
        """The run's engine, once it is built."""
        assert self._engine is not None
        return self._engine

    # Before the first step

    def _prepare(self) -> None:
        device = placement.resolve(self.config.device, self.trainer._devices)
        if self.config.precision == "tf32" and device.startswith("cpu"):
            raise DeviceError("tf32 needs a CUDA GPU; on a CPU choose fp32 or bf16.")
        self.config = dataclasses.replace(self.config, device=device)
        if self.start.run_dir:
            with contextlib.suppress(OSError):  # reported by SaveFailed; a folder that was deleted is not made again
                Path(self.start.run_dir).mkdir(parents=True, exist_ok=True)
        before = time.monotonic()
        self.digits = self.trainer.load(self.config)
        self.control.emit(
            DataReady,
            dataset=self.digits.dataset,
            source=self.digits.source,
            sha256=self.digits.sha256,
            train_size=len(self.digits.train_labels),
            test_size=len(self.digits.test_labels),
            seconds=time.monotonic() - before,
        )
        self.steps = -(-len(self.digits.train_labels) // self.config.batch_size)
        before = time.monotonic()
        self.control.model, self.control.loaded_from = None, ""  # free the last run's memory first
        weights = recipe.initial_weights(self.config.seed)
        state: Arrays = {}
        if self.start.resume:
            self.position, weights, state = checkpoint.load(Path(self.start.resume), self.config, self.digits)
        self._engine = placement.engine_class(self.module, device)(self.config, self.digits, weights)
        if state:
            self.engine.load_state(state)
            self.save()  # so that the new run, too, can be resumed from its beginning
        self.control.model, self.control.position = self.engine, (self.position.epoch, self.position.global_step)
        layers = recipe.layer_parameters()
        self.control.emit(
            ModelReady,
            layers=layers,
            parameters=sum(count for _, count in layers),
            seconds=time.monotonic() - before,
        )
        self.control.emit(
            RunStarted,
            config=self.config,
            device=device,
            precision=self.config.precision,
            num_threads=self.trainer._threads,
            steps_per_epoch=self.steps,
            total_steps=self.steps * self.config.epochs,
            global_step=self.position.global_step,
        )

    # Train

    def _epoch(self) -> None:
        """One pass, or what a checkpoint left of it, and its evaluation."""
        at, config = self.position, self.config
        order = recipe.epoch_order(config.seed, at.epoch, len(self.digits.train_labels))
        self.rates = recipe.learning_rates(config, at.epoch, self.steps)
        self.control.emit(EpochStarted, epoch=at.epoch, order_sha256=recipe.order_sha256(order))
        self.engine.start_epoch(order, self.rates)
        self._train()
        if self.outcome == "diverged":
            return
        if at.step and self.position.global_step != at.evaluated_step:
            self._evaluate()
        if at.step == self.steps:
            self.control.emit(
                EpochCompleted,
                epoch=at.epoch,
                train_loss=at.loss_sum / len(order),
                train_accuracy=at.correct / len(order),
                train_seconds=at.epoch_seconds,
                samples_per_sec=at.timed_samples / at.epoch_seconds if at.epoch_seconds else None,
                first_step_seconds=self.first_step_seconds if not self.epochs_done else None,
            )
            self.epochs_done += 1
            at.next_epoch()
        self.save()

    def _train(self) -> None:
        """The steps of the epoch, until its end or a reason to stop."""
        at = self.position
        loss_sum = correct = seconds = 0.0
        samples, said = 0, time.monotonic()
        while at.step < self.steps:
            self.control.poll()
            if self.control.stop_requested:
                self.outcome = self.outcome or "stopped"
            if self.outcome:
                break
            first, last = at.step, self._next_step()
            before = time.perf_counter()
            losses, right = self.engine.train_steps(first, last)
            elapsed, count = time.perf_counter() - before, self._samples(first, last)
            loss_sum, correct, seconds, samples = loss_sum + losses, correct + right, seconds + elapsed, samples + count
            very_first = self.first_step_seconds is None
            if very_first:
                self.first_step_seconds = elapsed
                at.advance(last, losses, right)
            else:
                at.advance(last, losses, right, elapsed, count)
                self._tune_call_size(elapsed)
            self.control.position = (at.epoch, self.position.global_step)
            evaluates = self.config.eval_every and self.position.global_step % self.config.eval_every == 0
            if time.monotonic() - said >= EVENT_SECONDS or at.step == self.steps or very_first or evaluates:
                self._progress(loss_sum / samples, correct / samples, samples / seconds if seconds else 0.0)
                loss_sum = correct = seconds = 0.0
                samples, said = 0, time.monotonic()
            self._check_divergence(losses, count)
            if evaluates and at.step < self.steps and not self.outcome:
                self._evaluate()
            if self.control.checkpoint_requested:
                self.save()
        if samples:
            self._progress(loss_sum / samples, correct / samples, samples / seconds if seconds else 0.0)

    def _next_step(self) -> int:
        """Up to which step the next call goes: not beyond the epoch, nor beyond an evaluation."""
        last = min(self.position.step + self.steps_per_call, self.steps)
        if self.config.eval_every:
            last = min(
                last, self.position.step + self.config.eval_every - self.position.global_step % self.config.eval_every
            )
        return last

    def _samples(self, first: int, last: int) -> int:
        return min(last * self.config.batch_size, len(self.digits.train_labels)) - first * self.config.batch_size

    def _tune_call_size(self, elapsed: float) -> None:
        """As many steps a call as fit between two looks: a few on a CPU, many on a GPU, never a sync a step."""
        wanted = int(self.steps_per_call * CALL_SECONDS / max(elapsed, 1e-6))
        self.steps_per_call = max(1, min(wanted, 2 * self.steps_per_call, MAX_STEPS_PER_CALL))

    def _progress(self, loss: float, accuracy: float, samples_per_sec: float) -> None:
        at = self.position
        self.control.emit(
            TrainProgress,
            epoch=at.epoch,
            step=at.step,
            global_step=self.position.global_step,
            samples_seen=(at.epoch - 1) * len(self.digits.train_labels) + self._samples(0, at.step),
            loss=loss,
            accuracy=accuracy,
            samples_per_sec=samples_per_sec,
            learning_rate=float(self.rates[at.step - 1]),
        )

    def _check_divergence(self, losses: float, samples: int) -> None:
        """Whether training is lost, by as many samples on every machine; one loss that is no number is enough."""
        loss_sum, count = self.judged = self.judged[0] + losses, self.judged[1] + samples
        if count < JUDGED_SAMPLES and self.position.step < self.steps and math.isfinite(losses):
            return
        self.judged = 0.0, 0
        if recipe.has_diverged(loss_sum / count) and not self.diverged:
            self.diverged = True
            self.control.emit(
                Diverged, epoch=self.position.epoch, global_step=self.position.global_step, loss=loss_sum / count
            )
        if self.diverged and self.config.stop_on_nan:
            self.outcome = "diverged"

    # Evaluate

    def _evaluate(self) -> None:
        labels, seconds, parts = self.digits.test_labels, 0.0, []
        self.control.emit(EvalStarted, epoch=self.position.epoch, global_step=self.position.global_step)
        for first in range(0, len(labels), EVAL_BATCH):
            self.control.poll()
            before = time.monotonic()
            parts.append(self.engine.evaluate(first, min(first + EVAL_BATCH, len(labels))))
            seconds += time.monotonic() - before
        logits = np.concatenate(parts)
        predicted = logits.argmax(axis=1)
        wrong = np.flatnonzero(predicted != labels)
        loss, accuracy = recipe.mean_cross_entropy(logits, labels), 1.0 - len(wrong) / len(labels)
        better = self.position.record_evaluation(accuracy, loss)
        self.control.emit(
            EvalCompleted,
            epoch=self.position.epoch,
            global_step=self.position.global_step,
            split="test",
            loss=loss,
            accuracy=accuracy,
            seconds=seconds,
            train_seconds=self.position.train_seconds,
            confusion=recipe.confusion(labels, predicted),
            mistakes=tuple((int(i), int(labels[i]), int(predicted[i])) for i in wrong),
        )
        if self.config.target_accuracy and reaches(accuracy, self.config.target_accuracy):
            self.outcome = self.outcome or "target-reached"
        elif self.config.patience and not better and self.position.evaluations_since_best >= self.config.patience:
            self.outcome = self.outcome or "no-progress"

    def close(self) -> None:
        """End what trains with this process; what it has learnt still answers."""
        if isinstance(self._engine, ParallelEngine):
            self._engine.close()

    # Keep

    def save(self) -> None:
        """Write a checkpoint, if there is something to keep and a place for it. Training goes on when that fails."""
        self.control.checkpoint_requested = False
        if not self.start.run_dir or self._engine is None or not self.position.global_step or self.diverged:
            return
        path = Path(self.start.run_dir) / f"{self.control.engine}.npz"
        try:
            checkpoint.save(path, self.position, self.config, self.digits, self._engine)
        except OSError as error:
            self.control.emit(SaveFailed, what="checkpoint", path=str(path), reason=reason(error))
        else:
            self.control.emit(
                CheckpointSaved, path=str(path), epoch=self.position.epoch, global_step=self.position.global_step
            )

    def _save_model(self) -> None:
        """In the library's own format, for other programs."""
        if not self.start.run_dir or not self.position.global_step:
            return
        path = Path(self.start.run_dir) / self.module.MODEL_FILE
        try:
            write_atomically(path, self.engine.save_model)
        except Exception as error:  # the libraries raise what they like; nothing of the training is lost
            self.control.emit(SaveFailed, what="model", path=str(path), reason=reason(error))
        else:
            self.control.emit(ModelSaved, path=str(path))
