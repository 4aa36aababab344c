"""Runs in the test's own process: the worker's loop with an engine whose losses and answers are planned. No framework, no pipe."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast
from unittest import mock

import numpy as np
import numpy.typing as npt

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.arrays import Arrays
from engines.experiment.contract import EngineModule
from engines.experiment.recipe import Weights
from engines.messages.commands import Command, Start
from engines.messages.events import Device, Event
from engines.runs.directory import RunDirectory
from engines.runs.history import RunHistory
from engines.supervision.run_ledger import RunLedger
from engines.worker import training_loop
from engines.worker.channel import Channel
from engines.worker.trainer import Trainer

ENGINE = "pytorch"
"""The name under which the planned engine runs."""
E = TypeVar("E", bound=Event)


def blank_digits(train_size: int = 40, labels: Sequence[int] = tuple(range(10)), grey: int = 0) -> Digits:
    """Return training digits labelled 0, and test digits with these labels, all of one grey."""
    images = np.full((train_size + len(labels), 28, 28), grey, np.uint8)
    train_labels, test_labels = np.zeros(train_size, np.uint8), np.array(labels, np.uint8)
    return Digits(
        images[:train_size], train_labels, images[train_size:], test_labels, dataset="custom", source="a test"
    )


@dataclasses.dataclass
class Plan:
    """A run as it will go: 40 training digits, and one test digit of each kind, unless a test says otherwise."""

    digits: Digits = dataclasses.field(default_factory=blank_digits)
    loss: Callable[[int], float] = lambda step: 1.0
    """Mean loss of each step, by its number in the run, from 1."""
    answers: Callable[[int], Sequence[int]] | None = None
    """The labels predicted for the test digits, by the number of steps done; by default all are right."""
    commands: Mapping[int, Command] = dataclasses.field(default_factory=dict)
    """Commands that arrive after so many steps."""
    seconds: float = 0.0
    """The clock of the training: each step takes a second, so that each call of `train_steps` is one step."""
    rates: list[float] = dataclasses.field(default_factory=list)
    """The learning rate of each step that was trained."""
    evaluated: list[tuple[int, int]] = dataclasses.field(default_factory=list)
    """(first, last) of each call of `evaluate`."""

    def read_clock(self) -> float:
        """Return the seconds of training so far."""
        return self.seconds


class PlannedEngine:
    """An engine that follows a plan, and reads half of the training digits right; its only state is the number of steps done."""

    def __init__(self, plan: Plan, config: TrainConfig, weights: Weights) -> None:
        self.plan = plan
        self.batch_size = config.batch_size
        self.steps = int(weights["steps"]) if "steps" in weights else 0

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        self.order, self.rates = order, rates

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        loss_sum = correct = 0.0
        for step in range(first, last):
            self.steps += 1
            self.plan.seconds += 1.0
            self.plan.rates.append(float(self.rates[step]))
            samples = len(self.order[step * self.batch_size : (step + 1) * self.batch_size])
            loss_sum += samples * self.plan.loss(self.steps)
            correct += samples / 2
        return loss_sum, correct

    def evaluate(self, first: int, last: int) -> npt.NDArray[np.float32]:
        self.plan.evaluated.append((first, last))
        labels = self.plan.digits.test_labels if self.plan.answers is None else self.plan.answers(self.steps)
        logits: npt.NDArray[np.float32] = np.eye(10, dtype=np.float32)[np.array(labels[first:last])]
        return logits

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return np.full((len(images), 10), 0.1, np.float32)

    def weights(self) -> Weights:
        return {"steps": np.float32(self.steps)}  # type: ignore[dict-item]  # a scalar is an array to numpy

    def state(self) -> Arrays:
        return {"steps": np.int64(self.steps)}

    def load_state(self, state: Arrays) -> None:
        assert int(state["steps"]) == self.steps

    def save_model(self, path: Path) -> None:
        path.write_text(f"{self.steps} steps")

    def device_memory_bytes(self) -> None:
        """Return None: there is no GPU."""


class PlannedChannel(Channel):
    """A channel without a pipe: it collects the events, and commands arrive as planned."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(ENGINE, -1, -1)
        self.events: list[Event] = []
        self._plan = dict(plan.commands)

    def publish(self, kind: type[Event], /, **fields: Any) -> None:
        number = len(self.events) + 1
        self.events.append(kind(engine=self.engine, run_id=self.run_id, seq=number, t=time.monotonic(), **fields))

    def poll(self) -> None:
        command = self._plan.pop(self.position[1], None)
        if command is not None:
            self._commands.put(command)
        super().poll()


class PlannedTrainer(Trainer):
    """A trainer that has the plan's digits."""

    def __init__(self, plan: Plan, channel: PlannedChannel) -> None:
        def build(config: TrainConfig, digits: Digits, weights: Weights) -> PlannedEngine:
            return PlannedEngine(plan, config, weights)

        module = SimpleNamespace(
            __package__="", Engine=build, OUT_OF_MEMORY=(), TF32_DEFAULT="", MODEL_FILE="planned.txt"
        )
        super().__init__(cast(EngineModule, module), (Device(id="cpu", name="CPU"),), 1, channel)
        self._plan = plan

    def load_data(self, config: TrainConfig) -> Digits:
        return self._plan.digits.limited(config.limit_train or None, config.limit_test or None)


def train(
    plan: Plan,
    config: TrainConfig,
    folder: Path | None = None,
    *,
    run_id: str = "run",
    resume: Path | None = None,
    past: Sequence[Event] = (),
) -> list[Event]:
    """Train one run by its plan, and return its events from RunRequested on, as its record would have them.

    `folder` is that of its checkpoint; `resume` is the checkpoint from which it continues, after the `past`.
    """
    channel = PlannedChannel(plan)
    start = Start(run_id=run_id, config=config, run_dir=str(folder or ""), resume=str(resume or ""))
    first = RunLedger(ENGINE, ENGINE).open(start, past, time.monotonic())
    channel.events += [dataclasses.replace(event, seq=number) for number, event in enumerate(first, 1)]
    channel.run_id = run_id
    trainer = PlannedTrainer(plan, channel)
    each_step = mock.patch.object(
        training_loop, "EVENT_SECONDS", 0.0
    )  # else a busy machine decides which steps have an event
    with mock.patch("time.perf_counter", plan.read_clock), each_step:
        trainer.run(dataclasses.replace(start, requested_t=first[0].t))
    return channel.events


def of(kind: type[E], events: Sequence[Event]) -> list[E]:
    """Return the events of a kind."""
    return [event for event in events if isinstance(event, kind)]


def history_of(events: Sequence[Event]) -> RunHistory:
    """Return the history after these events."""
    history = RunHistory(ENGINE)
    for event in events:
        history.apply(event)
    return history


def record(
    folder: Path,
    configs: Mapping[str, TrainConfig],
    events: Sequence[Event],
    checkpoints: Mapping[str, Path] | None = None,
) -> Path:
    """Write the folder of a run as the app does; without an end among the events, as an app that was killed. Return it."""
    directory = RunDirectory(folder, configs)
    for event in events:
        directory.append(event)
    assert not directory.problem
    for engine, path in (checkpoints or {}).items():
        shutil.copy(path, folder / f"{engine}.npz")
    return folder
