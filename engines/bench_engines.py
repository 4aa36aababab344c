"""How fast the engines are, against plain scripts of the same model on the same cores.

Ours is what the app runs: a worker that trains with all its events, timed from one event to another. The plain scripts
(`engines/worker/*_plain.py`) run as their authors' users run them, without our worker's environment. All processes stay alive and
take turns, so that a machine that slows down slows both.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shlex
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.config import from_settings, variant
from engines.environment import FOLDER, neutral_environment
from engines.events import EvalCompleted, Event, RunFailed, RunFinished, TrainProgress, WorkerExited
from engines.measurement import BenchError, Measurement
from engines.monitors.limits import split_cores, usable_core_ids
from engines.registry import EngineSpec
from engines.supervisor import Supervisor

TRAIN_DIGITS = 12_800
"""Digits that each repeat trains on: a hundred steps."""
TEST_DIGITS = 10_000
BUDGETS = {"pytorch": "≥ 1.6", "keras": "≥ 1.1"}
"""Of training alone on all cores."""
MEANING = "times the plain script's speed"

_WORKER = Path(__file__).parent / "worker" / "__main__.py"


@dataclass(frozen=True, slots=True)
class Speed:
    """Digits a second."""

    train: float
    evaluate: float


class Ours:
    """One of our workers, as the app starts it."""

    def __init__(self, spec: EngineSpec, cores: Sequence[int], cache_dir: Path, data_dir: str) -> None:
        self._spec = spec
        self._settings: dict[str, Any] = {"device": "cpu", **({"data_dir": data_dir} if data_dir else {})}
        self._inbox: queue.Queue[Event] = queue.Queue()
        self._supervisor = Supervisor(spec, self._inbox.put, cache_dir=cache_dir, cores=cores, threads=len(cores))
        self._thread = threading.Thread(target=self._supervisor.run, daemon=True)
        self._thread.start()

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

    def measure(self) -> Speed:
        """One epoch, from after its first step, and its evaluation. Raises BenchError."""
        events = self.train(epochs=1, limit_train=TRAIN_DIGITS, limit_test=TEST_DIGITS)
        first, *_, last = [event for event in events if isinstance(event, TrainProgress)]
        (test,) = [event for event in events if isinstance(event, EvalCompleted)]
        return Speed((last.samples_seen - first.samples_seen) / (last.t - first.t), TEST_DIGITS / test.seconds)

    def close(self) -> None:
        """End it."""
        self._supervisor.end()
        self._thread.join()


class Plain:
    """One plain script, with nothing of ours around it but the cores that it may use."""

    def __init__(self, spec: EngineSpec, cores: Sequence[int], cache_dir: Path, data_dir: str) -> None:
        self._spec = spec
        self._command = [spec.python, str(_WORKER), "--plain", spec.name, str(TRAIN_DIGITS), str(TEST_DIGITS), data_dir]
        self._environment = neutral_environment(spec, len(cores), cache_dir)
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
            raise BenchError(f"The plain script of {self._spec.title} failed; to see why, run: {command}")
        return answer

    def warm_up(self) -> None:
        """Wait until it is warm. Raises BenchError."""
        self._answer()

    def measure(self) -> Speed:
        """One epoch and one evaluation. Raises BenchError."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("\n")
            self._process.stdin.flush()
        seconds = json.loads(self._answer())
        return Speed(TRAIN_DIGITS / seconds["train"], TEST_DIGITS / seconds["evaluate"])

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


def engines(specs: Sequence[EngineSpec], repeats: int, cache_dir: Path, data_dir: str) -> Iterator[Measurement]:
    """Training and evaluation, alone on 1, 2 and all cores, then both racing, each on its half. Raises BenchError."""
    cores = usable_core_ids()
    for count in sorted({1, min(2, len(cores)), len(cores)}):
        for spec in specs:
            alone = ratios([spec], [cores[:count]], repeats, cache_dir, data_dir)[spec.name]
            budget = BUDGETS.get(variant(spec.name, spec.backend), "") if count == len(cores) else ""
            yield from rows(spec, f"{count} core{'s' * (count > 1)}", alone, budget)
    if len(specs) > 1:
        raced = ratios(specs, split_cores(cores, len(specs)), repeats, cache_dir, data_dir)
        for spec in specs:
            yield from rows(spec, "racing", raced[spec.name], "")


def rows(spec: EngineSpec, where: str, ratios: Sequence[Speed], budget: str) -> Iterator[Measurement]:
    """Of one engine under one condition."""
    trained, evaluated = tuple(one.train for one in ratios), tuple(one.evaluate for one in ratios)
    yield Measurement(f"{spec.name} training, {where}", MEANING, trained, budget)
    yield Measurement(f"{spec.name} evaluation, {where}", MEANING, evaluated, "")


def ratios(
    specs: Sequence[EngineSpec], shares: Sequence[Sequence[int]], repeats: int, cache_dir: Path, data_dir: str
) -> dict[str, list[Speed]]:
    """How often the plain script's speed goes into ours, by engine; several engines run at once. Raises BenchError."""
    with ExitStack() as stack:
        ours, plain = [], []
        for spec, cores in zip(specs, shares, strict=True):
            plain.append(Plain(spec, cores, cache_dir, data_dir))
            stack.callback(plain[-1].close)
            ours.append(Ours(spec, cores, cache_dir, data_dir))
            stack.callback(ours[-1].close)
        for script in plain:
            script.warm_up()
        at_once(ours)
        found: dict[str, list[Speed]] = {spec.name: [] for spec in specs}
        for _ in range(repeats):
            for spec, slow, fast in zip(specs, at_once(plain), at_once(ours), strict=True):
                found[spec.name].append(Speed(fast.train / slow.train, fast.evaluate / slow.evaluate))
        return found


def at_once(runners: Sequence[Ours | Plain]) -> list[Speed]:
    """All measure at the same time. Raises BenchError."""
    speeds: dict[int, Speed | BenchError] = {}

    def measure(i: int) -> None:
        try:
            speeds[i] = runners[i].measure()
        except BenchError as error:
            speeds[i] = error

    threads = [threading.Thread(target=measure, args=(i,), daemon=True) for i in range(len(runners))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    out = []
    for i in range(len(runners)):
        speed = speeds[i]
        if isinstance(speed, BenchError):
            raise speed
        out.append(speed)
    return out
