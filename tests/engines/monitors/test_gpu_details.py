"""The details of GPUs, read from a fake box of them and from real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engines.config import TrainConfig
from engines.messages.codec import decode_event
from engines.messages.event_parts import GpuDetails, GpuHolder
from engines.messages.events import MachineUsage
from engines.monitors.gpu import GpuMonitor, GpuReading
from engines.monitors.gpu_details import WORKER_FILE, describe_process
from engines.runs.directory import RunDirectory
from tests.support.fake_gpu_box import NVLINK_KIB_PER_SECOND, FakeGpuBox
from tests.support.fake_gpus import fake_gpu, usage


def sample(box: FakeGpuBox, monitor: GpuMonitor) -> list[tuple[GpuReading, GpuDetails]]:
    """Return the readings of a fake box with their details."""
    return [(reading, reading.details) for reading in monitor.sample().readings if reading.details is not None]


@pytest.fixture
def now() -> list[float]:
    return [100.0]


@pytest.fixture
def box(now: list[float]) -> FakeGpuBox:
    return FakeGpuBox(clock=lambda: now[0])


@pytest.fixture
def monitor(box: FakeGpuBox, now: list[float]) -> GpuMonitor:
    monitor = GpuMonitor(box, clock=lambda: now[0])
    monitor.with_details = True
    return monitor


def test_the_links_of_a_fake_box_are_read(box: FakeGpuBox, monitor: GpuMonitor, now: list[float]) -> None:
    """The driver counts what the NVLinks carry, so a rate needs two readings."""
    gpus = sample(box, monitor)
    assert len(gpus) == 8
    details = gpus[0][1]
    assert (details.memory_clock_mhz, details.pcie_in, details.pcie_out) == (2619.0, 1.2e9, 0.3e9)
    assert (details.nvlink_in, dict(details.missing)["nvlink_in"]) == (None, "measuring")
    now[0] += 2.0
    details = sample(box, monitor)[7][1]
    assert details.nvlink_in == details.nvlink_out == NVLINK_KIB_PER_SECOND * 1024
    assert details.missing == ()
    now[0] += 2.0
    box.loaded_at = now[0]  # a driver that was loaded again counts from 0
    assert sample(box, monitor)[7][1].nvlink_in is None


def test_details_are_read_only_where_somebody_looks(box: FakeGpuBox, monitor: GpuMonitor) -> None:
    monitor.with_details = False
    assert [reading.details for reading in monitor.sample().readings] == [None] * 8


def test_what_can_not_be_read_has_a_reason(box: FakeGpuBox, monitor: GpuMonitor) -> None:
    """One fake GPU fails every call, one is split by MIG, one has gone."""
    sample(box, monitor)
    box.failing, box.mig, box.lost = {1}, {2}, {3}
    gpus = {reading.index: reading for reading in monitor.sample().readings}
    failing = gpus[1].details
    assert failing is not None
    assert {field for field, _ in failing.missing} == {
        "memory_clock_mhz",
        "pcie_in",
        "pcie_out",
        "nvlink_in",
        "nvlink_out",
    }
    assert {reason for _, reason in failing.missing} == {"not supported by this GPU"}
    assert dict(gpus[2].missing) == {"utilization_percent": "not available under MIG"}
    assert gpus[3].is_lost
    assert [index for index, gpu in gpus.items() if gpu.is_lost] == [3]


def test_a_process_on_a_fake_gpu_has_a_user_and_a_name(box: FakeGpuBox, monitor: GpuMonitor) -> None:
    """Another container's process, which this machine does not show, has only a number and its memory."""
    box.processes = {0: [(os.getpid(), 10**9), (2**22 + 1, 3 * 10**9)]}
    ((_, details), *others) = sample(box, monitor)
    hidden, own = details.holders
    assert (hidden.pid, hidden.user, hidden.name, hidden.memory_bytes) == (2**22 + 1, "", "", 3 * 10**9)
    assert (own.pid, own.memory_bytes, own.ours) == (os.getpid(), 10**9, False)
    assert own.user
    assert own.name
    assert not any(other.holders for _, other in others)


def test_a_worker_of_ours_is_known() -> None:
    code = "import sys; print(flush=True); sys.stdin.read()"
    for word, ours in ((WORKER_FILE, True), ("train.py", False)):
        with subprocess.Popen([sys.executable, "-c", code, word], stdin=-1, stdout=-1) as process:
            assert process.stdout
            process.stdout.readline()
            assert describe_process(process.pid)[2] is ours
            process.communicate()


def test_a_record_of_a_run_names_no_processes(tmp_path: Path) -> None:
    gpu = replace(
        fake_gpu(),
        details=GpuDetails(memory_clock_mhz=None, holders=(GpuHolder(pid=7, user="somebody", name="secret"),)),
    )
    directory = RunDirectory(tmp_path / "run", {"pytorch": TrainConfig()})
    directory.append(usage(1.0, gpu))
    directory.drop_engine("pytorch")
    text = (tmp_path / "run" / "events.jsonl").read_text()
    assert "somebody" not in text
    event = decode_event(text.splitlines()[-1])
    assert isinstance(event, MachineUsage)
    assert (event.gpus[0].utilization_percent, event.gpus[0].details) == (61.0, None)
