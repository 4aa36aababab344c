"""One run of one engine: the epochs, the clocks and the events, the same for every framework.

The engine does the arithmetic and knows nothing of events; this module does the telling and knows no framework.

The clocks, the same for both:
- `train_seconds` is the time spent inside `train_steps`, which returns with the device synchronised. Nothing else is in it: no
  evaluation, no pause, no prediction, no checkpoint, no event.
- `first_step_seconds` is the run's first step alone, which traces, compiles and warms up, what the worker's
  rehearsal has not done before; it is not in `train_seconds`.
- `import_seconds`, and the seconds of DataReady, ModelReady and EvalCompleted, are each their own.
- `wall_seconds` begin with the run's RunRequested, before an import that the run has to wait for, and end with its last event.

A resumed run carries its clocks on; what passed between the interruption and the resumption is in none of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
import traceback
from pathlib import Path

import numpy as np

from engines.config import TrainConfig
from engines.data import DataCancelled, DataError, Digits, load_digits, placeholder_dataset
from engines.experiment import checkpoint, recipe
from engines.experiment.checkpoint import CheckpointError
from engines.experiment.contract import EngineModule
from engines.messages.commands import Start
from engines.messages.events import (
    DataProgress,
    Device,
    RunFailed,
    RunFinished,
)
from engines.out_of_memory import is_out_of_memory
from engines.worker import placement
from engines.worker.channel import Channel, ShuttingDown
from engines.worker.placement import DeviceError
from engines.worker.replicas import ReplicaError
from engines.worker.run import Run


class Trainer:
    """Runs what Start asks for and says how it goes; keeps the digits and the last model warm."""

    def __init__(self, module: EngineModule, devices: tuple[Device, ...], threads: int, control: Channel) -> None:
        self._module = module
        self._devices = devices
        self._threads = threads
        self._control = control
        self._digits: tuple[tuple[str, str], Digits] | None = None
        control.load_model = self.load_model

    def warm_up(self) -> None:
        """One step on one blank digit, forgotten at once: the imports and traces that a framework puts off until then are done."""
        config = TrainConfig(device="cpu")
        with contextlib.suppress(Exception):  # what fails here fails again in the run, and is told there
            engine = self._module.Engine(config, placeholder_dataset(), recipe.initial_weights(0))
            engine.start_epoch(np.zeros(1, np.int64), np.zeros(1, np.float32))
            engine.train_steps(0, 1)

    def run(self, start: Start) -> None:
        """Train; says exactly one RunFinished or RunFailed, unless the worker is told to end."""
        run = Run(self, start)
        try:
            run.run()
        except ShuttingDown:
            with contextlib.suppress(ReplicaError):
                run.save()
        except DataCancelled:
            self._control.emit(
                RunFinished,
                outcome="stopped",
                test_accuracy=None,
                test_loss=None,
                best_epoch=None,
                train_seconds=0.0,
                wall_seconds=time.monotonic() - start.requested_t,
            )
        except DataError as error:
            self._fail("data", error.message, error.hint)
        except DeviceError as error:
            self._fail("device", str(error), "Choose another device, or look at `mnist-tui doctor`.")
        except CheckpointError as error:
            self._fail("checkpoint", str(error), "Start over, or resume another run: `mnist-tui runs` lists them.")
        except ReplicaError as error:
            kind = "out-of-memory" if is_out_of_memory(str(error)) else "crashed"
            self._fail(kind, str(error), "Restart tries again; on one device there is no other replica to lose.")
        except Exception as error:
            text = f"{type(error).__name__}: {error}".strip()
            if isinstance(error, (MemoryError, *self._module.OUT_OF_MEMORY)) or is_out_of_memory(text):
                self._fail("out-of-memory", text, "Use a smaller batch size, or free memory on the device.")
            else:
                self._fail("internal", text, "See the log. Restart tries again.")
        finally:
            run.close()

    def _fail(self, kind: str, message: str, hint: str) -> None:
        self._control.emit(RunFailed, kind=kind, message=message, hint=hint, traceback=traceback.format_exc())

    def load(self, config: TrainConfig) -> Digits:
        """The digits that the config names, from memory when they were there last time."""
        key = (config.dataset, config.data_dir)
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

    def load_model(self, path: Path) -> None:
        """Let the model that a checkpoint holds answer questions. Raises CheckpointError, and what the framework raises."""
        position, weights, config = checkpoint.load_model(path)
        config = dataclasses.replace(config, device=placement.resolve("auto", self._devices))
        self._control.model = self._module.Engine(config, placeholder_dataset(), weights)
        done = position.epoch if position.step else position.epoch - 1
        self._control.position, self._control.loaded_from = (done, position.global_step), str(path)
