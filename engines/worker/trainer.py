"""One run of one engine: the epochs, the clocks and the events, the same for every framework.

The engine does the arithmetic and knows nothing of events; this module does the telling and knows no framework.

The clocks: `train_seconds` is the time spent inside `train_steps`, which returns with the device synchronised. The run's first
step, which traces or compiles, is taken alone and reported as `first_step_seconds`; evaluation, pauses, predictions and
checkpoints are in neither.
"""

from __future__ import annotations

import dataclasses
import os
import time
import traceback
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from engines.config import TrainConfig, for_engine
from engines.data import DataCancelled, DataError, Digits, load_digits
from engines.events import (
    CheckpointSaved,
    DataProgress,
    DataReady,
    Device,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    ModelReady,
    RunFailed,
    RunFinished,
    RunStarted,
    Start,
    TrainProgress,
)
from engines.worker import recipe
from engines.worker.control import Control, ShuttingDown

EVENT_SECONDS = 0.05
"""At most 20 progress events a second."""
EVAL_BATCH = 500
"""Test digits between two looks at the commands."""
MAX_STEPS_PER_CALL = 512


class DeviceError(Exception):
    """The chosen device can't be used; the message says why."""


class Trainer:
    """Runs what Start asks for and says how it goes; keeps the digits and the last model warm."""

    def __init__(self, module: ModuleType, devices: tuple[Device, ...], threads: int, control: Control) -> None:
        self._module = module
        self._devices = devices
        self._threads = threads
        self._control = control
        self._digits: tuple[tuple[str, str, int], Digits] | None = None

    def run(self, start: Start) -> None:
        """Train; says exactly one RunFinished or RunFailed, unless the worker is told to end."""
        began = time.monotonic()
        try:
            _Run(self, start, began).go()
        except ShuttingDown:
            pass
        except DataCancelled:
            self._control.emit(
                RunFinished,
                outcome="stopped",
                test_accuracy=None,
                test_loss=None,
                best_epoch=None,
                train_seconds=0.0,
                wall_seconds=time.monotonic() - began,
            )
        except DataError as error:
            self._fail("data", error.message, error.hint)
        except DeviceError as error:
            self._fail("device", str(error), "Choose another device, or look at `mnist-tui doctor`.")
        except Exception as error:
            text = f"{type(error).__name__}: {error}".strip()
            if isinstance(error, (MemoryError, *self._module.OUT_OF_MEMORY)):
                self._fail("out-of-memory", text, "Use a smaller batch size, or free memory on the device.")
            else:
                self._fail("internal", text, "See the log. Restart tries again.")

    def _fail(self, kind: str, message: str, hint: str) -> None:
        self._control.emit(RunFailed, kind=kind, message=message, hint=hint, traceback=traceback.format_exc())

    def load(self, config: TrainConfig) -> Digits:
        """The digits that the config names, from memory when they were there last time."""
        key = (config.dataset, config.data_dir, config.seed)
        if self._digits is None or self._digits[0] != key:
            control = self._control

            def stopped() -> bool:
                control.poll()
                return control.stop_requested

            def tell(done: int, total: int, source: str) -> None:
                control.emit(DataProgress, done_bytes=done, total_bytes=total, source=source)

            digits = load_digits(
                config.dataset,
                Path(config.data_dir) if config.data_dir else None,
                cache_dir=Path(os.environ["MNIST_TUI_CACHE_DIR"]),
                on_progress=tell,
                cancelled=stopped,
            )
            self._digits = (key, digits)
        return self._digits[1].limited(config.limit_train or None, config.limit_test or None)

    def resolve(self, device: str) -> str:
        """The device that "auto" stands for, or the one asked for. Raises DeviceError."""
        if device == "auto":
            return next((known.id for known in self._devices if known.usable and known.id != "cpu"), "cpu")
        for known in self._devices:
            if known.id == device:
                if known.usable:
                    return device
                raise DeviceError(f"{device} can't be used: {known.reason}.")
        reasons = [known.reason for known in self._devices if not known.usable]
        raise DeviceError(f"There is no {device} here{': ' + reasons[0] if reasons else ''}.")


class _Evaluation(NamedTuple):
    epoch: int
    loss: float
    accuracy: float


class _Run:
    """The state of one run."""

    def __init__(self, trainer: Trainer, start: Start, began: float) -> None:
        self.trainer = trainer
        self.control = trainer._control
        self.module = trainer._module
        self.start = start
        self.began = began
        self.config = for_engine(start.config, self.control.engine)
        self.train_seconds = 0.0
        self.first_step_seconds: float | None = None
        self.evaluations: list[_Evaluation] = []
        self.steps_per_call = 1
        self.learning_rate = self.config.learning_rate

    def go(self) -> None:
        """The whole run."""
        self._prepare()
        for epoch in range(1, self.config.epochs + 1):
            if not self._epoch(epoch):
                break
        last = self.evaluations[-1] if self.evaluations else None
        best = max(self.evaluations, key=lambda one: one.accuracy, default=None)
        self.control.emit(
            RunFinished,
            outcome="stopped" if self.control.stop_requested else "completed",
            test_accuracy=last and last.accuracy,
            test_loss=last and last.loss,
            best_epoch=best and best.epoch,
            train_seconds=self.train_seconds,
            wall_seconds=time.monotonic() - self.began,
        )

    def _prepare(self) -> None:
        device = self.trainer.resolve(self.config.device)
        if self.config.precision == "tf32" and device == "cpu":
            raise DeviceError("tf32 needs a CUDA GPU; on a CPU choose fp32 or bf16.")
        self.config = dataclasses.replace(self.config, device=device)
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
        before = time.monotonic()
        self.control.model = None  # free the last run's memory first
        self.engine = self.module.Engine(self.config, self.digits, recipe.initial_weights(self.config.seed))
        self.control.model, self.control.position = self.engine, (0, 0)
        layers = recipe.layer_parameters()
        self.control.emit(
            ModelReady,
            layers=layers,
            parameters=sum(count for _, count in layers),
            seconds=time.monotonic() - before,
        )
        self.steps = -(-len(self.digits.train_labels) // self.config.batch_size)
        self.control.emit(
            RunStarted,
            config=self.config,
            device=device,
            precision=self.config.precision,
            num_threads=self.trainer._threads,
            steps_per_epoch=self.steps,
            total_steps=self.steps * self.config.epochs,
        )

    def _epoch(self, epoch: int) -> bool:
        """One pass and its evaluation; False when the run is to end."""
        order = recipe.epoch_order(self.config.seed, epoch, len(self.digits.train_labels))
        self.control.emit(EpochStarted, epoch=epoch, order_sha256=recipe.order_sha256(order))
        self.engine.start_epoch(order)
        epoch_totals, epoch_seconds, epoch_samples = np.zeros(2), 0.0, 0
        totals, seconds, samples = np.zeros(2), 0.0, 0
        step, said = 0, time.monotonic()
        while step < self.steps and not self.control.stop_requested:
            self.control.poll()
            if self.control.stop_requested and step:
                break
            last = min(step + self.steps_per_call, self.steps)
            before = time.perf_counter()
            loss_sum, correct = self.engine.train_steps(step, last)
            elapsed = time.perf_counter() - before
            count = self._samples(step, last)
            totals += (loss_sum, correct)
            seconds, samples, step = seconds + elapsed, samples + count, last
            first = self.first_step_seconds is None
            if first:
                self.first_step_seconds = elapsed
            else:
                epoch_seconds, epoch_samples = epoch_seconds + elapsed, epoch_samples + count
                self._adapt(elapsed)
            self.control.position = (epoch, (epoch - 1) * self.steps + step)
            now = time.monotonic()
            if now - said >= EVENT_SECONDS or step == self.steps or first or self.control.stop_requested:
                self._progress(epoch, step, totals, samples, seconds)
                epoch_totals += totals
                totals, seconds, samples, said = np.zeros(2), 0.0, 0, now
            if self.control.checkpoint_requested:
                self._checkpoint()
        if samples:
            self._progress(epoch, step, totals, samples, seconds)
        self.train_seconds += epoch_seconds
        if step:
            self._evaluate(epoch, (epoch - 1) * self.steps + step)
        if step == self.steps:
            self.control.emit(
                EpochCompleted,
                epoch=epoch,
                train_loss=epoch_totals[0] / len(order),
                train_accuracy=epoch_totals[1] / len(order),
                train_seconds=epoch_seconds,
                samples_per_sec=epoch_samples / epoch_seconds if epoch_seconds else 0.0,
                first_step_seconds=self.first_step_seconds if epoch == 1 else None,
            )
        self._checkpoint()
        return not self.control.stop_requested

    def _samples(self, first: int, last: int) -> int:
        return min(last * self.config.batch_size, len(self.digits.train_labels)) - first * self.config.batch_size

    def _adapt(self, elapsed: float) -> None:
        """As many steps a call as fit between two events: one on a CPU, many on a GPU, never a sync a step."""
        wanted = int(self.steps_per_call * EVENT_SECONDS / max(elapsed, 1e-6))
        self.steps_per_call = max(1, min(wanted, 2 * self.steps_per_call, MAX_STEPS_PER_CALL))

    def _progress(self, epoch: int, step: int, totals: npt.NDArray[np.float64], samples: int, seconds: float) -> None:
        self.control.emit(
            TrainProgress,
            epoch=epoch,
            step=step,
            global_step=(epoch - 1) * self.steps + step,
            samples_seen=(epoch - 1) * len(self.digits.train_labels) + self._samples(0, step),
            loss=float(totals[0]) / samples,
            accuracy=float(totals[1]) / samples,
            samples_per_sec=samples / seconds if seconds else 0.0,
            learning_rate=self.learning_rate,
        )

    def _evaluate(self, epoch: int, global_step: int) -> None:
        labels, before, parts = self.digits.test_labels, time.monotonic(), []
        for first in range(0, len(labels), EVAL_BATCH):
            self.control.poll()
            parts.append(self.engine.evaluate(first, min(first + EVAL_BATCH, len(labels))))
        logits = np.concatenate(parts)
        predicted = logits.argmax(axis=1)
        wrong = np.flatnonzero(predicted != labels)
        loss, accuracy = recipe.mean_cross_entropy(logits, labels), 1.0 - len(wrong) / len(labels)
        self.evaluations.append(_Evaluation(epoch, loss, accuracy))
        self.control.emit(
            EvalCompleted,
            epoch=epoch,
            global_step=global_step,
            split="test",
            loss=loss,
            accuracy=accuracy,
            seconds=time.monotonic() - before,
            confusion=recipe.confusion(labels, predicted),
            mistakes=tuple((int(i), int(labels[i]), int(predicted[i])) for i in wrong),
        )

    def _checkpoint(self) -> None:
        self.control.checkpoint_requested = False
        if not self.start.run_dir:
            return
        path = Path(self.start.run_dir) / f"{self.control.engine}.npz"
        try:
            recipe.save_weights(self.engine.weights(), path)
        except OSError as error:
            self.control.warn(f"The weights could not be saved, training goes on: {error}")
        else:
            self.control.emit(CheckpointSaved, path=str(path))
