"""A session without processes: fake supervisors, which keep what the session asks of them, and a launcher that runs none."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

from engines.config import TrainConfig
from engines.messages.commands import ANY_GPU, AutoDevice, Command
from engines.messages.events import (
    Event,
    RunFailed,
    RunFinished,
    RunRequested,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
)
from engines.record import Record
from engines.session import core_shares, schedule, session as sessions
from engines.session.session import Session
from engines.supervision import supervisor as supervisors
from engines.supervision.registry import EngineSpec
from tests.support.engines import scripted_spec


class RequestedRun(Record):
    """A run that the session has sent."""

    run_id: str
    config: TrainConfig
    run_dir: str
    resume: str
    past: Sequence[Event]
    auto: AutoDevice
    jobs: int


class FakeSupervisor:
    """A supervisor without a worker. A test publishes the worker's events, and ends it."""

    def __init__(
        self,
        spec: EngineSpec,
        on_event: Callable[[Event], None],
        *,
        cache_dir: Path,
        cores: Sequence[int] = (),
        threads: int = 1,
        only_device: str = "",
    ) -> None:
        self.spec, self.threads, self.cores, self.only_device = spec, threads, tuple(cores), only_device
        self.runs: list[RequestedRun] = []
        self.sent: list[tuple[str, int]] = []
        """(engine, seed) of every run of the session."""
        self.commands: list[Command] = []
        self.gone = False
        """True once the worker accepts no more commands."""
        self.ended = self.killed = False
        self.error: Exception | None = None
        self._on_event = on_event
        self._seq = 0

    @property
    def ending(self) -> bool:
        return self.ended or self.killed

    def start_run(
        self,
        run_id: str,
        config: TrainConfig,
        run_dir: str = "",
        *,
        resume: str = "",
        past: Sequence[Event] = (),
        auto: AutoDevice = ANY_GPU,
        jobs: int = 1,
    ) -> bool:
        if self.gone:
            return False
        self.runs.append(
            RequestedRun(run_id=run_id, config=config, run_dir=run_dir, resume=resume, past=past, auto=auto, jobs=jobs)
        )
        self.sent.append((self.spec.name, config.seed))
        self.publish(RunRequested(engine=self.spec.name, run_id=run_id, t=time.monotonic(), config=config))
        return True

    def send(self, command: Command) -> None:
        self.commands.append(command)

    def end(self) -> None:
        self.ended = True

    def kill(self) -> None:
        self.killed = True

    def run(self) -> None:
        """Return at once: the worker has ended."""

    def abort(self, error: Exception) -> None:
        self.error = error
        self.publish(RunFailed(engine=self.spec.name, run_id=self.open_run, kind="internal", message=str(error)))

    def publish(self, event: Event) -> None:
        self._seq += 1
        self._on_event(replace(event, seq=self._seq))

    @property
    def open_run(self) -> str:
        """The id of the last run that was sent."""
        return self.runs[-1].run_id if self.runs else ""


class FakeSession:
    """A session of fake supervisors on four cores, and a clock that sleeping moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, runs_dir: Path | None, **more: Any) -> None:
        self.workers: dict[str, list[FakeSupervisor]] = {"pytorch": [], "keras": []}
        """The workers of each engine, in the order of their start."""
        self.sent: list[tuple[str, int]] = []
        """(engine, seed) of every run that was sent, in their order."""
        self._live: dict[str, Callable[[], None]] = {}
        self.launch_error: RuntimeError | None = None
        self.now = 100.0
        self.on_sleep: Callable[[], None] = lambda: None
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=self._sleep)
        monkeypatch.setattr(sessions, "time", clock)
        monkeypatch.setattr(supervisors, "Supervisor", self._supervise)
        monkeypatch.setattr(core_shares, "usable_core_ids", lambda: (0, 1, 2, 3))
        specs = [scripted_spec("pytorch"), scripted_spec("keras")]
        self.session = Session(specs, self._launch, cache_dir=Path(), runs_dir=runs_dir, **more)
        vars(self.session)["_sampler"] = self.sampler = Mock()

    def _supervise(self, spec: EngineSpec, *args: Any, **more: Any) -> FakeSupervisor:
        self.workers[spec.name].append(worker := FakeSupervisor(spec, *args, **more))
        worker.sent = self.sent
        return worker

    def _launch(self, engine: str, live: Callable[[], None]) -> None:
        if self.launch_error is not None:
            raise self.launch_error
        self._live[engine] = live

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()

    # What workers do

    def worker(self, engine: str) -> FakeSupervisor:
        """Return the engine's newest worker."""
        return self.workers[engine][-1]

    def import_framework(self, *engines: str) -> None:
        """Let the newest workers become ready."""
        for engine in engines:
            worker = self.worker(engine)
            worker.publish(WorkerSpawned(engine=engine, pid=1, interpreter="python"))
            worker.publish(
                WorkerReady(
                    engine=engine, pid=1, framework="F", version="1", devices=(), num_threads=1, import_seconds=1.0
                )
            )
        self.session.drain()

    def finish_run(self, *engines: str, outcome: str = "completed") -> None:
        """Let the newest workers end their runs."""
        for engine in engines:
            worker = self.worker(engine)
            worker.publish(
                RunFinished(
                    engine=engine, run_id=worker.open_run, outcome=outcome, test_accuracy=None, test_loss=None,
                    best_epoch=None, train_seconds=1.0, wall_seconds=1.0,
                )
            )  # fmt: skip
        self.session.drain()

    def end_worker(self, engine: str) -> None:
        """Let the newest worker end, and its thread with it."""
        worker = self.worker(engine)
        worker.gone = True
        worker.publish(WorkerExited(engine=engine, returncode=0, signal="", log_tail=()))
        self._live.pop(engine)()

    def rest(self) -> None:
        """Let the time pass that is between two turns."""
        self.session.drain()
        self.now += schedule.REST_SECONDS
        self.session.drain()
