"""Compare the engines' speed with stand-alone scripts that train the same model on the same cores.

The engines run as in the app: in a worker that trains and publishes all its events, timed from one event to another. The baselines
(`engines/*/script.py`, `tuned_baseline.py`) run as their authors' users run them, without our worker's environment, and once more
with the two variables of it that glibc's allocator reads. All processes stay alive and measure in turn, in an order that is
reversed from repeat to repeat, so that a machine that slows down slows all of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import queue
import shlex
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import psutil

from engines.bench.measurement import BenchError, Measurement
from engines.config import engine_id
from engines.gpu_selection import driver_id
from engines.messages.events import (
    Device,
    EvalCompleted,
    Event,
    RunFailed,
    RunFinished,
    TrainProgress,
    WorkerExited,
    WorkerReady,
)
from engines.monitors.cgroups import split_cores, usable_core_ids
from engines.plural import plural
from engines.preset_configs import from_settings
from engines.supervision.environment import ALLOCATOR, FOLDER, neutral_environment
from engines.supervision.one_shot import run_in_thread
from engines.supervision.registry import EngineSpec
from engines.supervision.supervisor import Supervisor

TRAIN_DIGITS = 12_800
"""Training digits of each repeat: a hundred steps."""
TEST_DIGITS = 10_000
BUDGETS = {"pytorch": "≥ 1.6", "keras": "≥ 1.4"}
"""Budgets of the speed ratio against the plain script, training alone on all cores."""
GPU_BUDGETS = {"pytorch": "≥ 10", "keras": "≥ 3"}
"""The same on a GPU."""


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """A script that the engines are compared with."""

    title: str
    kind: str
    """The script's module in the framework's package."""
    environment: Mapping[str, str]
    """Variables added to the neutral environment."""


@dataclass(frozen=True, slots=True)
class BenchPlace:
    """The device, the digits and the cache of the measurements."""

    cache_dir: Path
    data_dir: str
    device: str = "cpu"
    """"cpu" or "cuda:N"."""

    @property
    def visible_gpu(self) -> str:
        """The value of CUDA_VISIBLE_DEVICES that shows the device alone; -1 hides all GPUs."""
        return "-1" if self.device == "cpu" else driver_id(int(self.device.partition(":")[2]))


BASELINES = (
    Baseline("plain script", "script", {}),
    Baseline("plain script with our allocator settings", "script", ALLOCATOR),
    Baseline("expert's loop", "tuned_baseline", {}),
    Baseline("expert's loop with our allocator settings", "tuned_baseline", ALLOCATOR),
)
CONCURRENT_BASELINES = BASELINES[:1]
"""The baselines while both frameworks run at once: with more processes than cores, the machine would be measured."""

_WORKER = Path(__file__).parents[1] / "worker" / "__main__.py"


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds to train on TRAIN_DIGITS and to evaluate TEST_DIGITS, by the wall clock and in CPU time."""

    train: float
    evaluate: float
    train_cpu: float
    evaluate_cpu: float

    def times_faster(self, other: Cost) -> Cost:
        """Return the other cost divided by this one, figure by figure."""
        pairs = zip(dataclasses.astuple(other), dataclasses.astuple(self), strict=True)
        return Cost(*(theirs / ours for theirs, ours in pairs))


class WorkerRunner:
    """One worker, started as the app starts it."""

    def __init__(self, spec: EngineSpec, cores: Sequence[int], place: BenchPlace) -> None:
        self._spec = spec
        self._settings: dict[str, Any] = {
            "device": place.device, **({"data_dir": place.data_dir} if place.data_dir else {}),
        }  # fmt: skip
        self._inbox: queue.Queue[Event] = queue.Queue()
        self._cpu_seconds: dict[int, float] = {}
        """CPU seconds of the worker when an event arrived, by the event's seq."""
        self._supervisor = Supervisor(spec, self._receive, cache_dir=place.cache_dir, cores=cores, threads=len(cores))
        self._thread = run_in_thread(self._supervisor)

    def _receive(self, event: Event) -> None:
        if isinstance(event, TrainProgress | EvalCompleted) and self._supervisor.pid is not None:
            times = psutil.Process(self._supervisor.pid).cpu_times()
            self._cpu_seconds[event.seq] = times.user + times.system
        self._inbox.put(event)

    def train(self, **settings: Any) -> list[Event]:
        """Train one run and return its events. Raises BenchError."""
        self._supervisor.start_run("bench", from_settings({**self._settings, **settings}))
        events: list[Event] = []
        while not (events and isinstance(events[-1], RunFinished)):
            events.append(self._next_event())
        return events

    def devices(self) -> tuple[Device, ...]:
        """Wait until the worker is ready; return the devices that its framework sees. Raises BenchError."""
        while not isinstance(event := self._next_event(), WorkerReady):
            pass
        return event.devices

    def _next_event(self) -> Event:
        event = self._inbox.get()
        if isinstance(event, RunFailed):
            hint = (
                event.hint.removeprefix("See the log.").partition("Restart")[0].strip()
            )  # the app has a log and that key
            raise BenchError(dataclasses.replace(event, hint=hint).explanation)
        if isinstance(event, WorkerExited):
            raise BenchError(f"The {self._spec.title} worker ended before its run did.")
        return event

    def measure(self) -> Cost:
        """Measure an epoch after its first step, and its evaluation. Raises BenchError."""
        self._cpu_seconds.clear()
        events = self.train(epochs=1, limit_train=TRAIN_DIGITS, limit_test=TEST_DIGITS)
        first, *_, last = [event for event in events if isinstance(event, TrainProgress)]
        (test,) = [event for event in events if isinstance(event, EvalCompleted)]
        share = TRAIN_DIGITS / (last.samples_seen - first.samples_seen)
        until_first, until_last, until_test = (self._cpu_seconds[event.seq] for event in (first, last, test))
        train, train_cpu = share * (last.t - first.t), share * (until_last - until_first)
        return Cost(train, test.seconds, train_cpu, until_test - until_last)

    def close(self) -> None:
        """End the worker."""
        self._supervisor.end()
        self._thread.join()


class BaselineRunner:
    """One baseline in a process of its own, limited to its cores."""

    def __init__(self, spec: EngineSpec, baseline: Baseline, cores: Sequence[int], place: BenchPlace) -> None:
        self._title = f"{baseline.title} of {spec.title}"
        name = f"{spec.name}.{baseline.kind}"
        self._command = [
            spec.python,
            str(_WORKER),
            "--plain",
            name,
            str(TRAIN_DIGITS),
            str(TEST_DIGITS),
            place.data_dir,
        ]
        self._environment = {**neutral_environment(spec, len(cores), place.cache_dir), **baseline.environment}
        self._environment["CUDA_VISIBLE_DEVICES"] = place.visible_gpu  # a script takes the first GPU that it sees
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
            cwd=FOLDER,
            encoding="utf-8",
            errors="replace",
        )
        if hasattr(os, "sched_setaffinity"):
            with contextlib.suppress(OSError):
                os.sched_setaffinity(self._process.pid, cores)

    def _read_line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            variables = (f"{name}={self._environment[name]}" for name in ("MNIST_TUI_CACHE_DIR", "KERAS_BACKEND"))
            command = shlex.join(["env", *variables, *self._command])
            raise BenchError(f"The {self._title} failed; to see why, run: {command}")
        return line

    def warm_up(self) -> None:
        """Wait until the baseline has warmed up. Raises BenchError."""
        self._read_line()

    def measure(self) -> Cost:
        """Measure one epoch and one evaluation. Raises BenchError."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        return Cost(**json.loads(self._read_line()))

    def close(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.communicate()


def measure_engines(specs: Sequence[EngineSpec], repeats: int, place: BenchPlace) -> Iterator[Measurement]:
    """Measure training and evaluation alone on 1, 2 and all cores, then both engines at once on half each.

    On a GPU each engine is measured alone, with all cores. Raises BenchError.
    """
    cores, on_gpu = usable_core_ids(), place.device != "cpu"
    for count in sorted({len(cores)} if on_gpu else {1, min(2, len(cores)), len(cores)}):
        for spec in specs:
            baselines = BASELINES if spec.name == "pytorch" or spec.backend == "tensorflow" else CONCURRENT_BASELINES
            alone = measure_ratios([spec], [cores[:count]], baselines, repeats, place)[spec.name]
            budgets = GPU_BUDGETS if on_gpu else BUDGETS
            budget = budgets.get(engine_id(spec.name, spec.backend), "") if count == len(cores) else ""
            yield from tabulate(spec, place.device if on_gpu else plural(count, "core"), alone, budget)
    if len(specs) > 1 and not on_gpu:
        shares = split_cores(cores, len(specs))
        concurrent = measure_ratios(specs, shares, CONCURRENT_BASELINES, repeats, place)
        for spec in specs:
            yield from tabulate(spec, "racing", concurrent[spec.name], "")


def tabulate(
    spec: EngineSpec, condition: str, ratios: Mapping[Baseline, Sequence[Cost]], budget: str
) -> Iterator[Measurement]:
    """Yield one engine's measurements under one condition; `budget` applies to training against the plain script."""
    for baseline, costs in ratios.items():
        speed, saving = f"times the speed of the {baseline.title}", f"the {baseline.title}'s CPU seconds, of ours"
        for work in ("train", "evaluate"):
            name = f"{spec.name} {'training' if work == 'train' else 'evaluation'}, {condition}"
            row_budget = budget if baseline is BASELINES[0] and work == "train" else ""
            yield Measurement(name, speed, tuple(getattr(cost, work) for cost in costs), row_budget)
            yield Measurement(f"{name}, CPU", saving, tuple(getattr(cost, f"{work}_cpu") for cost in costs), "")


def measure_ratios(
    specs: Sequence[EngineSpec],
    shares: Sequence[Sequence[int]],
    baselines: Sequence[Baseline],
    repeats: int,
    place: BenchPlace,
) -> dict[str, dict[Baseline, list[Cost]]]:
    """Return each baseline's cost divided by the engine's, by engine; several engines run at once. Raises BenchError."""
    with ExitStack() as stack:
        scripts: dict[Baseline, list[BaselineRunner]] = {baseline: [] for baseline in baselines}
        workers: list[WorkerRunner] = []
        for spec, cores in zip(specs, shares, strict=True):
            for baseline in baselines:
                scripts[baseline].append(BaselineRunner(spec, baseline, cores, place))
                stack.callback(scripts[baseline][-1].close)
            workers.append(WorkerRunner(spec, cores, place))
            stack.callback(workers[-1].close)
        for script in chain.from_iterable(scripts.values()):
            script.warm_up()
        measure_concurrently(workers)
        ratios: dict[str, dict[Baseline, list[Cost]]] = {
            spec.name: {baseline: [] for baseline in baselines} for spec in specs
        }
        order: list[Baseline | None] = [None, *baselines]  # None stands for the workers
        for _ in range(repeats):
            costs = {turn: measure_concurrently(workers if turn is None else scripts[turn]) for turn in order}
            order.reverse()
            for i, spec in enumerate(specs):
                for baseline in baselines:
                    ratios[spec.name][baseline].append(costs[None][i].times_faster(costs[baseline][i]))
        return ratios


def measure_concurrently(runners: Sequence[WorkerRunner | BaselineRunner]) -> list[Cost]:
    """Let all runners measure at the same time. Raises BenchError."""
    results: dict[int, Cost | Exception] = {}

    def measure(i: int) -> None:
        try:
            results[i] = runners[i].measure()
        except Exception as error:  # raised below, in the caller's thread
            results[i] = error

    threads = [threading.Thread(target=measure, args=(i,), daemon=True) for i in range(len(runners))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    costs = []
    for i in range(len(runners)):
        result = results[i]
        if isinstance(result, Exception):
            raise result
        costs.append(result)
    return costs
