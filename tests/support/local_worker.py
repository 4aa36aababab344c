"""A worker without a process: the training loop, a fake engine whose figures a test chooses, and a clock that the engine moves."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.recipe import Weights
from engines.messages.codec import decode_event, encode
from engines.messages.commands import ANY_GPU, AutoDevice, Command, Start
from engines.messages.events import Device, Event
from engines.preset_configs import from_settings
from engines.worker import trainer, training_loop
from engines.worker.channel import Channel
from engines.worker.trainer import Trainer
from tests.support.digits import FIXED_DIGITS
from tests.support.planned_run import Plan, PlannedEngine

STEPS = 4
"""Steps of an epoch: 64 digits in batches of 16, unless a test chooses another batch size."""


class LocalChannel(Channel):
    """A worker's channel without pipes, threads and signals: it keeps the events, and `on_event` may send commands at each."""

    def __init__(self, engine: str) -> None:
        super().__init__(engine, -1, -1)
        self.events: list[Any] = []
        self.on_event: Callable[[Event], None] = lambda event: None

    def publish(self, kind: type[Event], /, **fields: Any) -> None:
        self._seq += 1
        event = kind(engine=self.engine, run_id=self.run_id, seq=self._seq, t=time.monotonic(), **fields)
        self.events.append(decode_event(encode(event)))
        self.on_event(event)

    def send(self, *commands: Command) -> None:
        for command in commands:
            self._commands.put(command)

    def of(self, kind: type[Event]) -> list[Any]:
        """Return all events of that kind so far."""
        return [event for event in self.events if isinstance(event, kind)]


class Clock:
    """The clock of the training loop, in place of the module `time`: the engine moves it."""

    offset = 0.0

    def monotonic(self) -> float:
        return time.monotonic() + self.offset

    def perf_counter(self) -> float:
        return self.offset


class LocalEngine(PlannedEngine):
    """A planned engine whose losses, accuracies and times are those of its worker's `script`."""

    script: LocalWorker

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights) -> None:
        super().__init__(Plan(digits=digits), config, weights)
        self.epoch = 0

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        super().start_epoch(order, rates)
        self.epoch += 1

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        assert last > first, "a call trains at least one step"
        self.script.calls.append((self.epoch, first, last))
        steps = range(self.steps + 1, self.steps + last - first + 1)
        self.steps = steps[-1]
        self.script.clock.offset += sum(map(self.script.seconds, steps))
        return self.batch_size * sum(map(self.script.loss, steps)), self.batch_size / 2 * len(steps)

    def evaluate(self, first: int, last: int) -> npt.NDArray[np.float32]:
        """Return logits that read the chosen share of the digits correctly, and all others as the next digit."""
        if first == 0:
            self.script.evaluations += 1
        accuracies = self.script.accuracies
        accuracy = accuracies[min(self.script.evaluations, len(accuracies)) - 1]
        labels = self.plan.digits.test_labels[first:last].astype(np.int64)
        correct = np.arange(first, last) < round(accuracy * len(self.plan.digits.test_labels))
        return np.asarray(np.eye(10)[np.where(correct, labels, (labels + 1) % 10)], np.float32)


class LocalWorker:
    """Trains runs in the test's own thread. Steps are counted from 1, over all epochs of a run."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, devices: Sequence[Device] = (), engine: str = "pytorch"
    ) -> None:
        self.clock = Clock()
        monkeypatch.setattr(training_loop, "time", self.clock)
        monkeypatch.setattr(trainer, "exit_now", lambda: pytest.fail("the worker would have ended"))
        self.loss: Callable[[int], float] = lambda step: 1.0
        """The mean loss of a step."""
        self.seconds: Callable[[int], float] = lambda step: 1.0
        """The seconds of a step, on a clock that nothing else moves."""
        self.accuracies: Sequence[float] = (0.5,)
        """The test accuracies of the evaluations of a run; the last one repeats."""
        self.evaluations = 0
        self.calls: list[tuple[int, int, int]] = []
        """(epoch, first step, last step) of each call."""
        self.channel = LocalChannel(engine)
        engine_class = type("Engine", (LocalEngine,), {"script": self})
        module: Any = SimpleNamespace(
            __package__="", Engine=engine_class, OUT_OF_MEMORY=(), MODEL_FILE="local.txt", framework=lambda: "Local"
        )
        self.trainer = Trainer(module, (Device(id="cpu", name="CPU"), *devices), 1, self.channel)

    def run(self, run_dir: Path | None = None, **settings: Any) -> list[Any]:
        """Train one run with batches of 16 on 64 digits, on the CPU; return its events."""
        base = {"batch_size": 16, "data_dir": str(FIXED_DIGITS), "device": "cpu"}
        return self.train(from_settings({**base, **settings}), run_dir)

    def train(self, config: TrainConfig, run_dir: Path | None = None, auto: AutoDevice = ANY_GPU) -> list[Any]:
        """Train one run, and return its events."""
        self.channel.send(Start(run_id="run", config=config, run_dir=str(run_dir or ""), auto=auto))
        start = self.channel.wait_for_start()
        assert start is not None
        before = len(self.channel.events)
        self.trainer.run(start)
        self.channel.run_id = ""
        return self.channel.events[before:]
