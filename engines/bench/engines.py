"""How fast the engines are, against other people's scripts of the same model on the same cores.

Ours is what the app runs: a worker that trains with all its events, timed from one event to another. The baselines
(`engines/*/baseline.py`, `expert.py`) run as their authors' users run them, without our worker's environment, and once more
with the two variables of it that glibc's allocator reads. All processes stay alive and take turns, in an order that is reversed
from repeat to repeat, so that a machine that slows down slows all.
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
from engines.messages.events import EvalCompleted, Event, RunFailed, RunFinished, TrainProgress, WorkerExited
from engines.monitors.cgroups import split_cores, usable_core_ids
from engines.plural import plural
from engines.preset_configs import from_settings
from engines.supervision.environment import ALLOCATOR, FOLDER, neutral_environment
from engines.supervision.one_shot import run_in_thread
from engines.supervision.registry import EngineSpec
from engines.supervision.supervisor import Supervisor

TRAIN_DIGITS = 12_800
"""Digits that each repeat trains on: a hundred steps."""
TEST_DIGITS = 10_000
BUDGETS = {"pytorch": "≥ 1.6", "keras": "≥ 1.1"}
"""Of training alone on all cores."""


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """What the engines are measured against."""

    title: str
    kind: str
    """Its module in the framework's package."""
    environment: Mapping[str, str]


BASELINES = (
    Baseline("plain script", "baseline", {}),
    Baseline("plain script with our allocator settings", "baseline", ALLOCATOR),
    Baseline("expert's loop", "expert", {}),
    Baseline("expert's loop with our allocator settings", "expert", ALLOCATOR),
)
RACED = BASELINES[:1]
"""Against these only where both frameworks run at once: more processes than cores would measure the machine."""

_WORKER = Path(__file__).parents[1] / "worker" / "__main__.py"


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds to train on TRAIN_DIGITS and to evaluate TEST_DIGITS, by the wall's clock and of the processor."""

    train: float
    evaluate: float
    train_cpu: float
    evaluate_cpu: float

    def times_faster(self, other: Cost) -> Cost:
        """How often this goes into the other, figure by figure."""
        pairs = zip(dataclasses.astuple(other), dataclasses.astuple(self), strict=True)
        return Cost(*(theirs / ours for theirs, ours in pairs))


class WorkerRunner:
    """One of our workers, as the app starts it."""

    def __init__(self, spec: EngineSpec, cores: Sequence[int], cache_dir: Path, data_dir: str) -> None:
        self._spec = spec
        self._settings: dict[str, Any] = {"device": "cpu", **({"data_dir": data_dir} if data_dir else {})}
        self._inbox: queue.Queue[Event] = queue.Queue()
        self._cpu: dict[int, float] = {}
        """Processor seconds of the worker until an event, by the event's number."""
        self._supervisor = Supervisor(spec, self._receive, cache_dir=cache_dir, cores=cores, threads=len(cores))
        self._thread = run_in_thread(self._supervisor)

    def _receive(self, event: Event) -> None:
        if isinstance(event, TrainProgress | EvalCompleted) and self._supervisor.pid is not None:
            times = psutil.Process(self._supervisor.pid).cpu_times()
            self._cpu[event.seq] = times.user + times.system
        self._inbox.put(event)

    def train(self, **settings: Any) -> list[Event]:
        """The events of a run, from its beginning to its end. Raises BenchError."""
        self._supervisor.start_run("bench", from_settings({**self._settings, **settings}))
        events: list[Event] = []
        while not (events and isinstance(events[-1], RunFinished)):
            events.append(self._inbox.get())
            if isinstance(events[-1], RunFailed):
                raise BenchError(f"{events[-1].message} {events[-1].hint}".strip())
            if isinstance(events[-1], WorkerExited):
                raise BenchError(f"{self._spec.title} ended without an answer.")
        return events

    def measure(self) -> Cost:
        """One epoch, from after its first step, and its evaluation. Raises BenchError."""
        self._cpu.clear()
        events = self.train(epochs=1, limit_train=TRAIN_DIGITS, limit_test=TEST_DIGITS)
        first, *_, last = [event for event in events if isinstance(event, TrainProgress)]
        (test,) = [event for event in events if isinstance(event, EvalCompleted)]
        share = TRAIN_DIGITS / (last.samples_seen - first.samples_seen)
        until_first, until_last, until_test = (self._cpu[event.seq] for event in (first, last, test))
        train, train_cpu = share * (last.t - first.t), share * (until_last - until_first)
        return Cost(train, test.seconds, train_cpu, until_test - until_last)

    def close(self) -> None:
        """End it."""
        self._supervisor.end()
        self._thread.join()


class BaselineRunner:
    """One baseline, with nothing of ours around it but the cores that it may use."""

    def __init__(
        self, spec: EngineSpec, baseline: Baseline, cores: Sequence[int], cache_dir: Path, data_dir: str
    ) -> None:
        self._title = f"{baseline.title} of {spec.title}"
        name = f"{spec.name}.{baseline.kind}"
        self._command = [spec.python, str(_WORKER), "--plain", name, str(TRAIN_DIGITS), str(TEST_DIGITS), data_dir]
        self._environment = {**neutral_environment(spec, len(cores), cache_dir), **baseline.environment}
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

    def _answer(self) -> str:
        assert self._process.stdout
        answer = self._process.stdout.readline()
        if not answer:
            variables = (f"{name}={self._environment[name]}" for name in ("MNIST_TUI_CACHE_DIR", "KERAS_BACKEND"))
            command = shlex.join(["env", *variables, *self._command])
            raise BenchError(f"The {self._title} failed; to see why, run: {command}")
        return answer

    def warm_up(self) -> None:
        """Wait until it is warm. Raises BenchError."""
        self._answer()

    def measure(self) -> Cost:
        """One epoch and one evaluation. Raises BenchError."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        return Cost(**json.loads(self._answer()))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def measure_engines(specs: Sequence[EngineSpec], repeats: int, cache_dir: Path, data_dir: str) -> Iterator[Measurement]:
    """Training and evaluation, alone on 1, 2 and all cores, then both racing, each on its half. Raises BenchError."""
    cores = usable_core_ids()
    for count in sorted({1, min(2, len(cores)), len(cores)}):
        for spec in specs:
            baselines = BASELINES if spec.name == "pytorch" or spec.backend == "tensorflow" else RACED
            alone = ratios([spec], [cores[:count]], baselines, repeats, cache_dir, data_dir)[spec.name]
            budget = BUDGETS.get(engine_id(spec.name, spec.backend), "") if count == len(cores) else ""
            yield from rows(spec, plural(count, "core"), alone, budget)
    if len(specs) > 1:
        raced = ratios(specs, split_cores(cores, len(specs)), RACED, repeats, cache_dir, data_dir)
        for spec in specs:
            yield from rows(spec, "racing", raced[spec.name], "")


def rows(spec: EngineSpec, where: str, ratios: Mapping[Baseline, Sequence[Cost]], budget: str) -> Iterator[Measurement]:
    """Tabulate one engine under one condition; `budget` is that of training against the plain script."""
    for baseline, found in ratios.items():
        speed, saving = f"times the speed of the {baseline.title}", f"the {baseline.title}'s CPU seconds, of ours"
        for work in ("train", "evaluate"):
            name = f"{spec.name} {'training' if work == 'train' else 'evaluation'}, {where}"
            budgeted = budget if baseline is BASELINES[0] and work == "train" else ""
            yield Measurement(name, speed, tuple(getattr(one, work) for one in found), budgeted)
            yield Measurement(f"{name}, CPU", saving, tuple(getattr(one, f"{work}_cpu") for one in found), "")


def ratios(
    specs: Sequence[EngineSpec],
    shares: Sequence[Sequence[int]],
    baselines: Sequence[Baseline],
    repeats: int,
    cache_dir: Path,
    data_dir: str,
) -> dict[str, dict[Baseline, list[Cost]]]:
    """How often ours goes into each baseline, by engine; several engines run at once. Raises BenchError."""
    with ExitStack() as stack:
        scripts: dict[Baseline, list[BaselineRunner]] = {baseline: [] for baseline in baselines}
        ours: list[WorkerRunner] = []
        for spec, cores in zip(specs, shares, strict=True):
            for baseline in baselines:
                scripts[baseline].append(BaselineRunner(spec, baseline, cores, cache_dir, data_dir))
                stack.callback(scripts[baseline][-1].close)
            ours.append(WorkerRunner(spec, cores, cache_dir, data_dir))
            stack.callback(ours[-1].close)
        for script in chain.from_iterable(scripts.values()):
            script.warm_up()
        measure_concurrently(ours)
        found: dict[str, dict[Baseline, list[Cost]]] = {spec.name: {one: [] for one in baselines} for spec in specs}
        turns: list[Baseline | None] = [None, *baselines]  # None is our own
        for _ in range(repeats):
            costs = {turn: measure_concurrently(ours if turn is None else scripts[turn]) for turn in turns}
            turns.reverse()
            for i, spec in enumerate(specs):
                for baseline in baselines:
                    found[spec.name][baseline].append(costs[None][i].times_faster(costs[baseline][i]))
        return found


def measure_concurrently(runners: Sequence[WorkerRunner | BaselineRunner]) -> list[Cost]:
    """All measure at the same time. Raises BenchError."""
    costs: dict[int, Cost | Exception] = {}

    def measure(i: int) -> None:
        try:
            costs[i] = runners[i].measure()
        except Exception as error:  # raised below, where somebody catches it
            costs[i] = error

    threads = [threading.Thread(target=measure, args=(i,), daemon=True) for i in range(len(runners))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out = []
    for i in range(len(runners)):
        cost = costs[i]
        if isinstance(cost, Exception):
            raise cost
        out.append(cost)
    return out
