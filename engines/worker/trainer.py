"""Train run after run in one worker, and report how each ends.

An engine does the arithmetic and knows no events; `training_loop.py` publishes the events and knows no framework.

The clocks, the same for every engine:
- `train_seconds` is the time inside `train_steps`, which returns with the device synchronised. It includes no evaluation, pause,
  prediction, checkpoint or event.
- `first_step_seconds` is the run's first step alone, with the tracing, compiling and warming up that the worker's `warm_up` has
  not done before; `train_seconds` excludes it.
- `import_seconds`, and the seconds of DataReady, ModelReady and EvalCompleted, each measure only their own phase. ModelReady's
  are those of building: the initial weights or the checkpoint, the model on its device, the optimizer and what both import.
- The warm-up of a worker without a run builds and steps first; WarmedUp has its seconds, which no run's wall time includes, unless
  the run was requested meanwhile.
- `wall_seconds` start with the run's RunRequested, before an import that the run has to wait for, and end with its last event.

A resumed run continues its clocks; they exclude the time between the interruption and the resumption.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import traceback
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engines.config import TrainConfig
from engines.data import DataCancelled, DataError, Digits, load_digits, placeholder_dataset
from engines.experiment import checkpoint, recipe
from engines.experiment.activations import encode_activations
from engines.experiment.checkpoint import CheckpointError
from engines.experiment.contract import Engine, EngineModule, InspectionModule
from engines.experiment.progress import Position
from engines.gpu_errors import gpu_error_advice
from engines.messages.commands import UNTRAINED, Start
from engines.messages.events import DataProgress, Device, RunFailed, RunFinished, WarmedUp
from engines.out_of_memory import device_memory_advice, is_out_of_memory
from engines.ulimits import limit_in
from engines.worker import placement
from engines.worker.channel import Channel, ShuttingDown, exit_now
from engines.worker.neighbour import neighbour
from engines.worker.placement import DeviceError
from engines.worker.replicas import ReplicaError
from engines.worker.training_loop import Run


class Trainer:
    """Trains one run after the other; keeps the digits and the last model in memory."""

    def __init__(self, module: EngineModule, devices: tuple[Device, ...], threads: int, channel: Channel) -> None:
        self.module = module
        self.devices = devices
        self.threads = threads
        self.channel = channel
        self._digits: tuple[tuple[str, str], Digits] | None = None
        channel.load_model = self.load_model
        self.inspection: InspectionModule | None = neighbour(module, "inspection")
        channel.inspect = self.inspect if self.inspection is not None else None

    def warm_up(self) -> None:
        """Build an engine and train two steps on blank digits: the framework's delayed imports and traces are behind it then."""
        config = TrainConfig(device="cpu")
        size = 2 * config.batch_size
        rate = None
        with contextlib.suppress(Exception):  # an error here occurs again in the run, which reports it
            started = time.perf_counter()
            engine = self.module.Engine(config, placeholder_dataset(size), recipe.initial_weights(0))
            built = time.perf_counter()
            engine.start_epoch(np.arange(size), np.zeros(2, np.float32))
            before = time.perf_counter()
            engine.train_steps(0, 1)
            stepped = time.perf_counter()
            if self.channel.idle:
                engine.train_steps(1, 2)
                rate = config.batch_size / (time.perf_counter() - stepped)
            self.channel.publish(
                WarmedUp, samples_per_sec=rate, build_seconds=built - started, first_step_seconds=stepped - before
            )

    def run(self, start: Start) -> None:
        """Train one run, and publish exactly one RunFinished or RunFailed, unless the worker has to end."""
        run = Run(self, start)
        try:
            run.run()
        except ShuttingDown:
            with contextlib.suppress(ReplicaError):
                run.save()
        except DataCancelled:
            self.channel.publish(
                RunFinished,
                outcome="stopped",
                test_accuracy=None,
                test_loss=None,
                best_epoch=None,
                train_seconds=0.0,
                wall_seconds=time.monotonic() - start.requested_t,
            )
        except DataError as error:
            self._publish_failure("data", error.message, error.hint)
        except DeviceError as error:
            self._publish_failure("device", str(error), "Choose another device, or run `mnist-tui doctor`.")
        except CheckpointError as error:
            hint = "Start over, or resume another run: `mnist-tui runs` lists them."
            self._publish_failure("checkpoint", str(error), hint)
        except Exception as error:
            self._publish_error(error, run.config.device)
        finally:
            run.close()

    def _publish_error(self, error: Exception, device: str) -> None:
        """Publish an error that the framework or a replica raised; end the worker when it can't train again.

        After an error on several devices, the others may wait for this one without end, and can't be closed.
        """
        text = str(error) if isinstance(error, ReplicaError) else f"{type(error).__name__}: {error}".removesuffix(": ")
        several_devices = "," in device
        if isinstance(error, (MemoryError, *self.module.OUT_OF_MEMORY)) or is_out_of_memory(text):
            limit = limit_in(text) if device.startswith("cpu") else ""
            hint = f"{device_memory_advice(text)} {limit}".strip()
            self._publish_failure("out-of-memory", text, hint, ends_worker=several_devices)
        elif advice := gpu_error_advice(text):
            self._publish_failure("device", text, advice, ends_worker=True)
        elif isinstance(error, ReplicaError):
            hint = "Restart starts a new worker. A run on one device needs no replicas."
            self._publish_failure("crashed", text, hint, ends_worker=True)
        else:
            self._publish_failure("internal", text, "See the log. Restart tries again.", ends_worker=several_devices)

    def _publish_failure(self, kind: str, message: str, hint: str, *, ends_worker: bool = False) -> None:
        trace = traceback.format_exc()
        self.channel.publish(RunFailed, kind=kind, message=message, hint=hint, traceback=trace, ends_worker=ends_worker)
        if ends_worker:
            exit_now()

    def load_data(self, config: TrainConfig) -> Digits:
        """Load the digits that the config names, or reuse the last run's. Raises DataError and DataCancelled."""
        key = (config.dataset, config.data_dir)
        if self._digits is None or self._digits[0] != key:

            def stop_requested() -> bool:
                self.channel.poll()
                return self.channel.stop_requested

            def publish_progress(done: int, total: int, source: str) -> None:
                self.channel.publish(DataProgress, done_bytes=done, total_bytes=total, source=source)

            digits = load_digits(
                config.dataset,
                Path(config.data_dir) if config.data_dir else None,
                cache_dir=Path(os.environ["MNIST_TUI_CACHE_DIR"]),
                on_progress=publish_progress,
                cancelled=stop_requested,
            )
            self._digits = (key, digits)
        return self._digits[1].limited(config.limit_train or None, config.limit_test or None)

    def load_model(self, source: str) -> None:
        """Load a model for predictions: that of a checkpoint's path, or UNTRAINED.

        Raises CheckpointError, and anything that the framework raises.
        """
        position, weights, config = Position(), recipe.initial_weights(0), TrainConfig()
        if source != UNTRAINED:
            position, weights, config = checkpoint.load_model(Path(source))
        config = dataclasses.replace(config, device=placement.resolve("auto", self.devices))
        self.channel.model = self.module.Engine(config, placeholder_dataset(), weights)
        epoch = position.epoch if position.step else position.epoch - 1
        self.channel.position, self.channel.loaded_from = (epoch, position.global_step), source

    def inspect(self, engine: Engine, image: npt.NDArray[np.uint8]) -> str:
        """Return the encoded activations for a grey image (28, 28). Raises anything that the framework raises."""
        assert self.inspection is not None
        return encode_activations(self.inspection.inspect(engine, image))
