"""All checks: of the machine, and of one engine on its first GPU."""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from engines.config import engine_id
from engines.experiment.activations import decode_activations
from engines.experiment.forward import softmax
from engines.gpu_selection import free_gpus
from engines.messages.commands import Predict
from engines.messages.events import (
    CheckpointSaved,
    DataReady,
    Device,
    EpochCompleted,
    Event,
    Heartbeat,
    Prediction,
    RunStarted,
    TrainProgress,
)
from engines.messages.grammar import violations
from engines.monitors.gpu import GpuMonitor, GpuProcess
from engines.plural import plural
from engines.supervision.registry import EngineSpec
from tests.gpu_check import verdicts
from tests.gpu_check.plain_script import plain_seconds
from tests.gpu_check.table import Check, Failed, Skipped
from tests.gpu_check.verdicts import events_of
from tests.gpu_check.worker import CheckedWorker

REQUIRED = ("import", "device")
"""The checks without which no later one of the same engine can run."""

SHORT = {"limit_train": 384, "limit_test": 1_000}
"""A run of three steps an epoch.

On a CPU a lost optimizer or random state changes a loss of the second epoch by at least 4e-3, rounding by at most 1e-4; after
twenty steps, rounding alone changes it by 1e-2."""

PLAIN_DIGITS = 30_000
"""Training digits of the plain script, whose time is that of its loop over images."""

LAYOUT_REPEATS = 5

IMAGE = tuple(min(i % 28 * 12, 255) for i in range(784))
"""A grey ramp, which lights some of every filter's maps."""

_CONTIGUOUS_ENGINE = Path(__file__).with_name("contiguous_engine.py")


class MachineChecks:
    """The checks of the driver's figures, and the digits that all engines train on."""

    def __init__(self, cache_dir: Path) -> None:
        self.cache_dir = cache_dir
        self.monitor = GpuMonitor()

    def checks(self) -> dict[str, Check]:
        """Return the checks by name, in their order."""
        return {
            "GPU figures of the driver": self.driver_figures,
            "links and processes of the GPU wall": self.wall_figures,
            "free GPUs for auto and --jobs": self.free_gpus,
        }

    def driver_figures(self) -> str:
        """Report every GPU's name, power and memory."""
        usage = self.monitor.sample()
        if not usage.readings:
            raise Skipped(usage.reason)
        figures = [f"driver {self.monitor.nvidia_gpus().driver}"]
        for gpu in usage.readings:
            figures.append(f"GPU {gpu.index} {gpu.name}, {gpu.power_watts} W, {gpu.memory_total_bytes} bytes")
            figures += [f"no {field}: {reason}" for field, reason in gpu.missing]
        return "; ".join(figures)

    def wall_figures(self) -> str:
        """Report what only the GPU wall reads of every GPU: its links, and the processes that hold it."""
        try:
            import psutil  # noqa: F401
        except ImportError:
            raise Skipped("processes are looked up by psutil, which is missing") from None
        self.monitor.with_details = True
        try:
            self.monitor.sample()
            usage = self.monitor.sample()  # the throughput of NVLink is known from the second reading on
        finally:
            self.monitor.with_details = False
        if not usage.readings:
            raise Skipped(usage.reason)
        figures = []
        for gpu in usage.readings:
            assert gpu.details is not None
            links = {"PCIe": (gpu.details.pcie_in, gpu.details.pcie_out)}
            links["NVLink"] = (gpu.details.nvlink_in, gpu.details.nvlink_out)
            known = [f"{k} {i + o:,.0f} bytes/s" for k, (i, o) in links.items() if i is not None and o is not None]
            figures.append(f"GPU {gpu.index} {', '.join([*known, plural(len(gpu.details.holders), 'holder')])}")
            figures += [f"no {field}: {reason}" for field, reason in gpu.details.missing]
        return "; ".join(figures)

    def free_gpus(self) -> str:
        """Find the GPUs that nobody uses, by the driver's tool."""
        usage, free = self.monitor.sample(), free_gpus()
        if not usage.readings:
            raise Skipped(usage.reason)
        if free is None:
            raise Failed("nvidia-smi lists no GPU that CUDA sees, although the driver has some")
        return f"{', '.join(free) or 'none'} of {len(usage.readings)}"

    @functools.cached_property
    def dataset(self) -> str:
        """The `dataset` of all runs: MNIST as it is found or downloaded once, or else drawn digits."""
        from engines.data import load_digits  # needs numpy, which the rows of a machine without a GPU do not

        return "drawn" if load_digits("auto", cache_dir=self.cache_dir).dataset == "drawn" else "auto"


class EngineChecks:
    """The checks of one engine; as a context manager it leaves no process."""

    def __init__(self, spec: EngineSpec, machine: MachineChecks) -> None:
        self.spec = spec
        self.name = engine_id(spec.name, spec.backend)
        self._machine = machine
        self._worker: CheckedWorker | None = None
        self._records: list[list[Event]] = []
        """The events of each worker."""
        self._gpus: list[Device] = []
        self._long_run: list[Event] = []
        """The events of the first run, which several checks judge; empty until it has completed."""
        self._long_epochs = 12 if self.name in ("pytorch", "keras") else 3

    def __enter__(self) -> EngineChecks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_worker()

    def checks(self) -> dict[str, Check]:
        """Return the checks by name, in their order."""
        checks: dict[str, Check] = {
            "import": self.framework,
            "device": self.device,
            f"training, {self._long_epochs} epochs": self.training,
            "first step": lambda: verdicts.first_step(self._require_long_run()),
            "test accuracy after its first epoch": lambda: verdicts.accuracy(
                self._require_long_run(), verdicts.REFERENCE
            ),
            "Adam, one-cycle schedule, one epoch": lambda: self.one_epoch(verdicts.ADAM, preset="quick", limit_train=0),
            "first loss, cpu against cuda": self.first_losses,
            "bf16, one epoch": lambda: self.one_epoch(verdicts.REFERENCE, precision="bf16"),
            "tf32, one epoch": lambda: self.one_epoch(verdicts.REFERENCE, precision="tf32"),
            "augmentation, 100 steps": lambda: self.one_epoch(verdicts.SHORT, augment="affine", limit_train=12_800),
            "the same seed twice, 6 steps": self.same_seed,
            "checkpoint and resume, 6 steps": self.resume,
            "prediction in mid-run": self.prediction,
            "memory of the framework's allocator": self.allocator,
            "GPU figures of the worker": self.worker_figures,
            "training seconds against plain script": self.plain_script,
        }
        if self.name == "pytorch":
            checks["channels_last against contiguous"] = self.memory_layout
        if self.name in ("pytorch", "keras"):
            checks["training on all GPUs, 3 epochs"] = self.all_gpus
            checks["loss of 5 steps, one GPU against all"] = self.all_gpus_loss
            checks["two runs at once, a GPU each, 6 steps"] = self.two_jobs
        return checks | {"order of events": self.event_order}

    # Workers and runs

    def _start(self, spec: EngineSpec) -> CheckedWorker:
        worker = CheckedWorker(spec, self._machine.cache_dir)
        self._records.append(worker.events)
        try:
            worker.wait_until_ready()
        except BaseException:
            worker.close()
            raise
        return worker

    def _running_worker(self) -> CheckedWorker:
        """Return the worker; start one when there is none yet, or after a failure."""
        if self._worker is None:
            self._worker = self._start(self.spec)
        return self._worker

    def _close_worker(self) -> None:
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _train(self, worker: CheckedWorker | None = None, /, **settings: Any) -> list[Event]:
        """Train one run on the first GPU, unless the settings say otherwise, and return its events. Raises Failed."""
        paths = {name: settings.pop(name) for name in ("run_dir", "resume", "on_event") if name in settings}
        defaults = {"device": self._gpus[0].id, "dataset": self._machine.dataset, "keras_backend": self.spec.backend}
        try:
            return (worker or self._running_worker()).train(defaults | settings, **paths)
        except BaseException:
            if worker is None:  # another is closed by who started it
                self._close_worker()  # a GPU error stays with its process
            raise

    def _require_long_run(self) -> list[Event]:
        if not self._long_run:
            raise Skipped("the training that it judges failed")
        return self._long_run

    # Checks

    def framework(self) -> str:
        """Import the framework."""
        ready = self._running_worker().ready
        return f"{ready.framework}, {ready.import_seconds:.1f} s"

    def device(self) -> str:
        """Find the GPUs that the framework can use."""
        devices = self._running_worker().ready.devices
        self._gpus = [device for device in devices if device.id.startswith("cuda") and device.usable]
        if not self._gpus:
            raise Skipped("; ".join(device.reason for device in devices if device.reason) or "no CUDA GPU")
        return ", ".join(f"{gpu.id} {gpu.name}" for gpu in self._gpus)

    def training(self) -> str:
        """Train the reference."""
        self._long_run = self._train(epochs=self._long_epochs)
        return verdicts.training_time(self._long_run)

    def first_losses(self) -> str:
        """Compare the first step on the CPU and on the GPU."""
        one_step = {"epochs": 1, "limit_train": 128, "limit_test": 500, "dropout": 0.0}
        return verdicts.first_losses(self._train(**one_step, device="cpu"), self._train(**one_step))

    def one_epoch(self, bar: verdicts.Bar, **settings: Any) -> str:
        """Train one epoch with other settings than the reference's."""
        run = self._train(epochs=1, **settings)
        return f"{verdicts.accuracy(run, bar)}, {verdicts.median_rate(run):,.0f} images/s"

    def same_seed(self) -> str:
        """Train the same run twice."""
        return verdicts.repeat(self._train(epochs=2, **SHORT), self._train(epochs=2, **SHORT))

    def resume(self) -> str:
        """Compare a run of two epochs with one that is resumed after its first."""
        unbroken = self._train(epochs=2, **SHORT)
        with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
            first = self._train(epochs=1, **SHORT, run_dir=folder)
            checkpoint = events_of(CheckpointSaved, first)[-1]
            resumed = self._train(epochs=2, **SHORT, resume=checkpoint.path)
        step = events_of(RunStarted, resumed)[0].global_step
        if step != checkpoint.global_step:
            raise Failed(f"saved at step {checkpoint.global_step}, resumed at step {step}")
        return f"resumed at step {step}, {verdicts.repeat(unbroken, resumed)}"

    def prediction(self) -> str:
        """Request a prediction, and what is inside the network, at the first step of a run."""
        sent_t: list[float] = []
        inside = not self.spec.module.endswith(".py")  # an engine in a file, as tests have, can't be looked into

        def request(event: Event) -> None:
            if isinstance(event, TrainProgress) and not sent_t:
                sent_t.append(time.monotonic())
                self._running_worker().supervisor.send(Predict(request_id=1, image=IMAGE, inside=inside))

        run = self._train(epochs=2, on_event=request)
        (answer,) = events_of(Prediction, run)
        if answer.problem or not math.isclose(sum(answer.probabilities), 1.0, abs_tol=1e-3):
            raise Failed(answer.problem or f"the probabilities sum to {sum(answer.probabilities)}")
        if inside:
            shown = softmax(decode_activations(answer.activations).logits[np.newaxis])[0]
            if not np.allclose(shown, answer.probabilities, atol=1e-3):
                raise Failed(f"the logits inside give {shown.round(3)}, the prediction is {answer.probabilities}")
        steps = events_of(RunStarted, run)[0].total_steps
        if answer.global_step >= steps:
            raise Failed("answered only after the last step")
        return f"after {answer.t - sent_t[0]:.3f} s, at step {answer.global_step} of {steps}"

    def allocator(self) -> str:
        """Read the memory that the framework's allocator holds, from the first heartbeat after a run."""
        self._train(epochs=1, **SHORT)
        memory = self._running_worker().wait_for(Heartbeat).device_memory_bytes
        if not memory:
            raise Failed(f"{memory} bytes")
        return f"{memory / 1e6:,.0f} MB"

    def worker_figures(self) -> str:
        """Read the worker's own memory and utilization from the driver while it trains."""
        own: list[GpuProcess] = []
        others = 0

        def sample(event: Event) -> None:
            nonlocal others
            if isinstance(event, TrainProgress):
                processes = self._machine.monitor.sample().processes
                own.extend(process for process in processes if process.pid == self._running_worker().supervisor.pid)
                others = max(others, len(processes))

        if not self._machine.monitor.sample().readings:
            raise Skipped(self._machine.monitor.sample().reason)
        self._train(epochs=4, on_event=sample)
        if not own:
            raise Skipped(f"not among the driver's {others} processes, as in a container, which has other numbers")
        memory = max(process.memory_bytes or 0 for process in own)
        if not memory:
            raise Failed("the driver lists the worker without memory")
        busy = max((process.utilization_percent or 0.0 for process in own), default=0.0)
        return f"{memory / 1e6:,.0f} MB, at most {busy:.0f} % busy, in {len(own)} readings"

    def plain_script(self) -> str:
        """Compare the training seconds with those of the script that users of the framework write."""
        run = self._require_long_run()
        plain = plain_seconds(self.spec, PLAIN_DIGITS, self._machine.cache_dir)
        trained = min(PLAIN_DIGITS, events_of(DataReady, run)[0].train_size)
        return verdicts.speed(trained / verdicts.median_rate(run), plain)

    def memory_layout(self) -> str:
        """Compare the rate with that of the same engine in contiguous memory, taking turns."""
        rates: dict[str, list[float]] = {"channels_last": [], "contiguous": []}
        other = self._start(dataclasses.replace(self.spec, module=str(_CONTIGUOUS_ENGINE)))
        try:
            for _ in range(LAYOUT_REPEATS):
                for layout, worker in (("channels_last", None), ("contiguous", other)):
                    epoch = events_of(EpochCompleted, self._train(worker, epochs=2))[-1]
                    rates[layout].append(epoch.samples_per_sec or 0.0)
        finally:
            other.close()
        medians = {layout: statistics.median(values) for layout, values in rates.items()}
        ratio = medians["channels_last"] / medians["contiguous"]
        figures = ", ".join(f"{layout} {rate:,.0f} images/s" for layout, rate in medians.items())
        return f"{figures}, ratio {ratio:.2f}, medians of {LAYOUT_REPEATS}"

    def _require_several_gpus(self) -> None:
        if len(self._gpus) < 2:
            raise Skipped("this machine has one GPU")

    def all_gpus(self) -> str:
        """Train on all GPUs."""
        self._require_several_gpus()
        run = self._train(epochs=3, device="all")
        return f"{len(self._gpus)} GPUs, {verdicts.training_time(run)}, {verdicts.accuracy(run, verdicts.REFERENCE)}"

    def all_gpus_loss(self) -> str:
        """Compare five steps on all GPUs with five steps on one."""
        self._require_several_gpus()
        steps = {"epochs": 1, "limit_train": 640, "limit_test": 500, "dropout": 0.0}
        return verdicts.epoch_losses(self._train(**steps), self._train(**steps, device="all"))

    def two_jobs(self) -> str:
        """Train on two GPUs at once, as the jobs of a series do, and compare one of the runs with the same run alone."""
        self._require_several_gpus()
        first, second = (gpu.id for gpu in self._gpus[:2])
        alone = self._train(epochs=2, **SHORT, device=second)
        other = self._start(self.spec)
        try:
            with ThreadPoolExecutor(1) as pool:
                beside = pool.submit(self._train, other, epochs=2, **SHORT, device=second)
                self._train(epochs=2, **SHORT, device=first)
                return verdicts.repeat(alone, beside.result())
        finally:
            other.close()

    def event_order(self) -> str:
        """Check the grammar of all events."""
        faults = [fault for events in self._records for fault in violations(list(events))]
        if faults:
            raise Failed(faults[0])
        return f"{sum(map(len, self._records)):,} events"
