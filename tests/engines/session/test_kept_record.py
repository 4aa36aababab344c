"""The record of a run keeps its own events, its worker's introduction, and the machine's usage. No process is started."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from engines.config import TrainConfig
from engines.messages.events import (
    Event,
    LogLine,
    MachineUsage,
    RunFinished,
    RunRequested,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
    WorkerUsage,
)
from engines.monitors.gpu import GpuUsage
from engines.monitors.host import HostUsage, ProcessUsage
from engines.monitors.sampler import Sample
from engines.runs.directory import RunDirectory
from engines.runs.reader import read_events, read_run
from engines.session.session import Session
from engines.supervision.supervisor import Supervisor
from tests.support.ended_run import ended_run_events
from tests.support.engines import scripted_spec
from tests.support.planned_run import Plan, train

CONFIG = TrainConfig(epochs=1, threads=1)
ENGINE = "pytorch"


class Workers:
    """A session whose workers are played by the test: their threads never run."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self.session = Session([scripted_spec(ENGINE)], self._launch, cache_dir=runs_dir, runs_dir=runs_dir)
        vars(self.session)["_sampler"] = Mock()

    def _launch(self, engine: str, run: Callable[[], None]) -> None:
        """Keep the thread's function, which is never called."""

    @property
    def supervisor(self) -> Supervisor:
        supervisor = self.session._slots[ENGINE].supervisor
        assert supervisor is not None
        return supervisor

    def introduce(self, pid: int, supervisor: Supervisor | None = None) -> None:
        """Let the newest worker start and become ready."""
        supervisor = supervisor or self.supervisor
        supervisor.publish(WorkerSpawned(engine=ENGINE, pid=pid, interpreter="python"))
        supervisor.publish(WorkerReady(
            engine=ENGINE, pid=pid, framework=f"F {pid}", version="1", devices=(), num_threads=1, import_seconds=1.0
        ))  # fmt: skip
        self.session.drain()

    def start(self, config: TrainConfig = CONFIG) -> Path:
        """Start a run, and return its folder; its worker publishes nothing of it yet."""
        self.session.start({ENGINE: config})
        return max(self.runs_dir.iterdir())

    def request(self, folder: Path) -> None:
        """Publish the beginning of the run, as its supervisor would."""
        self.supervisor.publish(RunRequested(engine=ENGINE, run_id=folder.name, config=CONFIG))

    def finish(self, folder: Path, supervisor: Supervisor | None = None) -> None:
        (supervisor or self.supervisor).publish(RunFinished(
            engine=ENGINE, run_id=folder.name, outcome="completed", test_accuracy=None, test_loss=None, best_epoch=None,
            train_seconds=1.0, wall_seconds=1.0,
        ))  # fmt: skip
        self.session.drain()

    def run(self, config: TrainConfig = CONFIG) -> Path:
        """Run from its beginning to its end; return its folder."""
        folder = self.start(config)
        self.request(folder)
        self.finish(folder)
        return folder


@pytest.fixture
def workers(tmp_path: Path) -> Workers:
    return Workers(tmp_path / "runs")


def record(folder: Path) -> list[Any]:
    """Return the events in a run's record."""
    return list(read_events(folder / "events.jsonl"))


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def sample(t: float) -> Sample:
    """Return what the sampler measures: a machine that is half busy, and a worker with one core."""
    host = HostUsage(cpu_percent=50.0, per_core=(50.0,), memory_used_bytes=1, memory_total_bytes=2)
    process = ProcessUsage(cpu_percent=100.0, cores_allowed=1, rss_bytes=7, num_threads=1, pids=(1,))
    return Sample(t=t, host=host, gpus=GpuUsage(reason="no NVIDIA driver"), processes=((ENGINE, process),))


def test_the_usage_of_the_machine_and_of_the_worker_is_kept(workers: Workers) -> None:
    """A sample after the end of the run is not."""
    folder = workers.start()
    workers.introduce(1)
    workers.request(folder)
    for t in (1.0, 2.0):
        workers.session._on_sample(sample(t))
    workers.finish(folder)
    workers.session._on_sample(sample(3.0))
    assert workers.session.problem == ""
    events = record(folder)
    assert [(event.t, event.cpu_percent) for event in events if isinstance(event, MachineUsage)] == [
        (1.0, 50.0),
        (2.0, 50.0),
    ]
    assert [event.rss_bytes for event in events if isinstance(event, WorkerUsage)] == [7, 7]
    histories, machine = read_run(folder)
    assert list(machine.cpu_percent) == [50.0, 50.0]
    assert histories[ENGINE].peak_rss_bytes == 7


def test_without_figures_of_the_machine_the_workers_are_kept(workers: Workers) -> None:
    folder = workers.start()
    workers.introduce(1)
    workers.request(folder)
    workers.session._on_sample(replace(sample(1.0), host=None))
    workers.finish(folder)
    assert "WorkerUsage" in kinds(record(folder))
    assert "MachineUsage" not in kinds(record(folder))


def test_a_record_of_two_engines_ends_with_the_last_of_them(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run", dict.fromkeys(("pytorch", "keras"), CONFIG))
    for engine in ("pytorch", "keras"):
        assert not (tmp_path / "run" / "summary.json").exists()
        for event in ended_run_events(engine, 0, 9900, run_id="run"):
            directory.append(event)
        directory.append(LogLine(engine=engine, stream="stdout", text=f"{engine} has ended"))
    assert (tmp_path / "run" / "summary.json").exists()
    assert {event.engine for event in record(tmp_path / "run")} == {"pytorch", "keras"}
    assert [line.text for line in record(tmp_path / "run") if isinstance(line, LogLine)] == ["pytorch has ended"]


def test_the_record_of_a_run_in_a_warm_worker_begins_with_its_introduction(workers: Workers) -> None:
    first = workers.start()
    workers.introduce(1)
    workers.request(first)
    workers.finish(first)
    second = workers.run()
    for folder in (first, second):
        assert kinds(record(folder)) == ["WorkerSpawned", "WorkerReady", "RunRequested", "RunFinished"]
        assert read_run(folder)[0][ENGINE].framework == "F 1"


def test_a_worker_introduces_itself_in_its_own_runs_only(workers: Workers) -> None:
    """The first worker ended by itself; the next run waits for the second one."""
    first = workers.start()
    workers.introduce(1)
    workers.request(first)
    workers.finish(first)
    workers.supervisor.publish(WorkerExited(engine=ENGINE, returncode=0, signal="", log_tail=()))
    workers.session._slots[ENGINE].running = False
    second = workers.start()
    workers.introduce(2)
    workers.request(second)
    workers.finish(second)
    assert [event.pid for event in record(second) if isinstance(event, WorkerSpawned)] == [2]
    assert "WorkerExited" not in kinds(record(second))


@pytest.mark.parametrize("resumes", [False, True])
def test_last_lines_of_the_worker_before_are_not_those_of_the_new_run(
    resumes: bool, workers: Workers, tmp_path: Path
) -> None:
    """A run with other threads needs a new worker, and the old one may say something while it ends."""
    first = workers.start()
    workers.introduce(1)
    workers.request(first)
    workers.finish(first)
    old = workers.supervisor
    if resumes:
        train(Plan(), CONFIG, tmp_path / "files")
        shutil.copy(tmp_path / "files" / "pytorch.npz", first)
        workers.session.resume_run(first, {"threads": 2, "epochs": 2})
    else:
        workers.session.start({ENGINE: replace(CONFIG, threads=2)})
    (second,) = set(workers.runs_dir.iterdir()) - {first}
    assert old.ending
    old.publish(LogLine(engine=ENGINE, stream="stderr", text="goodbye"))
    old.publish(WorkerExited(engine=ENGINE, returncode=0, signal="", log_tail=("goodbye",)))
    workers.session._slots[ENGINE].running = False
    workers.session.drain()
    assert workers.supervisor is not old
    workers.introduce(2)
    workers.request(second)
    workers.finish(second)
    assert kinds(record(second)) == ["WorkerSpawned", "WorkerReady", "RunRequested", "RunFinished"]
    assert read_run(second)[0][ENGINE].framework == "F 2"
    assert "goodbye" in [line.text for line in workers.session.histories[ENGINE].log], "the screen shows it"
