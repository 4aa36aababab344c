"""The record of a run keeps what belongs to the run, and nothing else. No process is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engines.config import TrainConfig
from engines.messages.events import LogLine, MachineUsage, WorkerUsage
from engines.monitors.gpu import GpuUsage
from engines.monitors.host import HostUsage, ProcessUsage
from engines.monitors.sampler import Sample
from engines.runs.directory import RunDirectory
from engines.runs.reader import read_events, read_run
from tests.support.ended_run import ended_run_events
from tests.support.fake_supervisor import FakeSession

KERAS = {"keras": TrainConfig(epochs=1)}
HALF_BUSY = HostUsage(cpu_percent=50.0, per_core=(50.0,), memory_used_bytes=1, memory_total_bytes=2)


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSession:
    return FakeSession(monkeypatch, tmp_path / "runs")


def record(folder: Path) -> list[Any]:
    """Return the events in a run's record."""
    return list(read_events(folder / "events.jsonl"))


def kinds(events: list[Any]) -> list[str]:
    return [type(event).__name__ for event in events]


def sample(fake: FakeSession, t: float, host: HostUsage | None = HALF_BUSY) -> None:
    """Publish what the sampler measured: a machine that is half busy, and a worker with one core."""
    process = ProcessUsage(cpu_percent=100.0, cores_allowed=1, rss_bytes=7, num_threads=1, pids=(1,))
    gpus = GpuUsage(reason="no NVIDIA driver")
    fake.session._on_sample(Sample(t=t, host=host, gpus=gpus, processes=(("keras", process),)))


def test_the_usage_of_machine_and_worker_is_kept_to_the_end_of_the_run(fake: FakeSession, tmp_path: Path) -> None:
    fake.session.start(KERAS)
    fake.import_framework("keras")
    for t in (1.0, 2.0):
        sample(fake, t)
    fake.finish_run("keras")
    sample(fake, 3.0)
    assert fake.session.problem == ""
    (folder,) = (tmp_path / "runs").iterdir()
    assert [event.t for event in record(folder) if isinstance(event, MachineUsage)] == [1.0, 2.0]
    assert [event.rss_bytes for event in record(folder) if isinstance(event, WorkerUsage)] == [7, 7]
    histories, machine = read_run(folder)
    assert list(machine.cpu_percent) == [50.0, 50.0]
    assert histories["keras"].peak_rss_bytes == 7


def test_a_worker_is_measured_although_the_machine_has_no_figures(fake: FakeSession, tmp_path: Path) -> None:
    fake.session.start(KERAS)
    fake.import_framework("keras")
    sample(fake, 1.0, host=None)
    fake.finish_run("keras")
    (folder,) = (tmp_path / "runs").iterdir()
    assert kinds(record(folder))[-2:] == ["WorkerUsage", "RunFinished"]


def test_a_worker_that_has_ended_is_not_introduced_in_the_next_run(fake: FakeSession, tmp_path: Path) -> None:
    """It ended by itself between two runs."""
    for _ in range(2):
        fake.session.start(KERAS)
        fake.import_framework("keras")
        fake.finish_run("keras")
        fake.end_worker("keras")
    folders = [*(tmp_path / "runs").iterdir()]
    assert len(folders) == 2
    for folder in folders:
        assert sorted(kinds(record(folder))) == ["RunFinished", "RunRequested", "WorkerReady", "WorkerSpawned"]


def test_a_record_of_two_engines_ends_with_the_last_of_them(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run", dict.fromkeys(("pytorch", "keras"), TrainConfig()))
    for engine in ("pytorch", "keras"):
        assert not (tmp_path / "run" / "summary.json").exists()
        for event in ended_run_events(engine, 0, 9900, run_id="run"):
            directory.append(event)
        directory.append(LogLine(engine=engine, stream="stdout", text=f"{engine} has ended"))
    assert (tmp_path / "run" / "summary.json").exists()
    assert {event.engine for event in record(tmp_path / "run")} == {"pytorch", "keras"}
    assert [line.text for line in record(tmp_path / "run") if isinstance(line, LogLine)] == ["pytorch has ended"]
