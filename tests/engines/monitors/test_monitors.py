"""Figures of the machine: real processes, fake cgroups, and a fake NVML."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from engines.monitors.cgroups import cpu_quota, memory_limit, split_cores, usable_core_ids, usable_cores
from engines.monitors.gpu import GpuMonitor
from engines.monitors.host import HostMonitor, ProcessMonitor
from engines.monitors.sampler import Sample, Sampler
from tests.support.fake_nvml import FakeNvml, NVMLError_LibraryNotFound, NVMLError_NotSupported


def write_files(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_without_a_cgroup_there_is_no_limit(tmp_path: Path) -> None:
    assert (cpu_quota(tmp_path), memory_limit(tmp_path)) == (None, None)
    assert usable_cores(tmp_path, [0, 1, 2]) == 3


def test_the_tightest_of_a_cgroup_and_its_ancestors_counts(tmp_path: Path) -> None:
    root = write_files(
        tmp_path,
        {
            "proc/self/cgroup": "0::/slice/job\n",
            "sys/fs/cgroup/slice/job/cpu.max": "max 100000\n",
            "sys/fs/cgroup/slice/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/slice/job/memory.max": "2000000000\n",
            "sys/fs/cgroup/slice/memory.max": "max\n",
        },
    )
    assert cpu_quota(root) == 1.5
    assert usable_cores(root, range(8)) == 2
    assert len(usable_core_ids(root, range(8))) == 2
    assert memory_limit(root) == 2_000_000_000


def test_cgroup_version_1_is_read(tmp_path: Path) -> None:
    root = write_files(
        tmp_path,
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/box\n5:memory:/box\n",
            "sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "50000",
            "sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "9223372036854771712",
        },
    )
    assert usable_cores(root, range(8)) == 1
    assert memory_limit(root) is None


@pytest.mark.parametrize(
    ("cores", "workers", "shares"),
    [
        ([0, 1], 2, ((0,), (1,))),
        ([0, 1, 2, 3], 2, ((0, 1), (2, 3))),
        ([0, 1, 2], 2, ((0,), (1,))),
        ([5], 2, ((5,), (5,))),
        ([0, 1, 2], 1, ((0, 1, 2),)),
    ],
)
def test_workers_get_equally_many_cores(cores: list[int], workers: int, shares: tuple[tuple[int, ...], ...]) -> None:
    assert split_cores(cores, workers) == shares


_BUSY = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print('up', flush=True)\\nwhile True: pass"], stdout=subprocess.PIPE)
child.stdout.readline()
print("up", flush=True)
child.wait()
"""


def test_a_process_tree_is_measured() -> None:
    """A grandchild does the work, and its figures count."""
    parent = subprocess.Popen([sys.executable, "-c", _BUSY], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    parent.stdout.readline()
    try:
        start = time.monotonic()
        monitor = ProcessMonitor(parent.pid, cores_allowed=2)
        assert monitor.sample() is None, "a first sample has nothing to compare with"
        (child,) = psutil.Process(parent.pid).children()
        before = child.cpu_times().user
        while child.cpu_times().user - before < 0.3:
            pass
        usage = monitor.sample()
        assert usage is not None
        least = 0.2 / (time.monotonic() - start)  # on a busy machine it gets less than a core
        assert 100 * least < usage.cpu_percent < 250
        assert usage.rss_bytes > 5_000_000
        assert usage.num_threads >= 2
    finally:
        for process in (*psutil.Process(parent.pid).children(), psutil.Process(parent.pid)):
            process.kill()
        parent.wait()
        parent.stdout.close()
    assert monitor.sample() is None, "a process that has ended has no figures"


def test_the_host_has_figures() -> None:
    monitor = HostMonitor()
    monitor.sample()
    before = sum(psutil.cpu_times()[:4])
    while sum(psutil.cpu_times()[:4]) - before < 0.2:
        pass
    usage = monitor.sample()
    assert usage is not None
    assert 0 <= usage.cpu_percent <= 100
    assert 0 < usage.memory_used_bytes <= usage.memory_total_bytes


def test_every_machine_has_gpu_readings_or_a_reason() -> None:
    monitor = GpuMonitor()
    usage = monitor.sample()
    monitor.close()
    assert bool(usage.readings) != bool(usage.reason)


def test_a_fake_gpu_is_read() -> None:
    usage = GpuMonitor(FakeNvml()).sample()
    (gpu,) = usage.readings
    assert (gpu.name, gpu.utilization_percent, gpu.power_watts, gpu.missing) == ("Fake GPU", 61.0, 212.0, ())


def test_a_throttled_fake_gpu_has_a_reason() -> None:
    (gpu,) = GpuMonitor(FakeNvml()).sample().readings
    assert (gpu.sm_clock_mhz, gpu.throttled) == (1980.0, "")  # "GPU idle" is no throttle
    (gpu,) = GpuMonitor(FakeNvml(nvmlDeviceGetCurrentClocksEventReasons=0x64)).sample().readings
    assert gpu.throttled == "power limit, heat"
    older = FakeNvml(
        nvmlDeviceGetCurrentClocksEventReasons=AttributeError("older"), nvmlDeviceGetCurrentClocksThrottleReasons=0x08
    )
    assert GpuMonitor(older).sample().readings[0].throttled == "hardware"


def test_a_missing_figure_of_a_fake_gpu_has_a_reason() -> None:
    fake = FakeNvml(nvmlDeviceGetPowerUsage=NVMLError_NotSupported(), nvmlDeviceGetMigMode=(1, 1))
    (gpu,) = GpuMonitor(fake).sample().readings
    reasons = dict(gpu.missing)
    assert (gpu.power_watts, gpu.utilization_percent) == (None, None)
    assert reasons["power_watts"] == "not supported by this GPU"
    assert "MIG" in reasons["utilization_percent"]


def test_a_driver_that_failed_is_tried_again_later() -> None:
    now = 0.0
    fake = FakeNvml(nvmlInit=NVMLError_LibraryNotFound())
    monitor = GpuMonitor(fake, clock=lambda: now)
    assert monitor.sample().reason == "no NVIDIA driver"
    fake.wrong.clear()
    assert monitor.sample().reason == "no NVIDIA driver", "a driver that failed is not called for a while"
    now = 11.0
    assert monitor.sample().readings


def test_the_sampler_continues_while_a_fake_driver_hangs() -> None:
    release, samples = threading.Event(), queue.Queue[Sample]()
    fake = FakeNvml(nvmlDeviceGetCount=release.wait)
    sampler = Sampler(samples.put, 0.02, gpu=GpuMonitor(fake))
    sampler.watch("tests", psutil.Process().pid, 1)
    sampler.start()
    try:
        complete = [sample for sample in (samples.get(timeout=10) for _ in range(5)) if sample.processes]
        assert complete
        assert not complete[-1].gpus.readings
        assert complete[-1].gpus.reason
    finally:
        release.set()
        assert sampler.stop()


def test_a_callback_that_fails_does_not_end_the_sampling() -> None:
    seen = queue.Queue[int]()

    def fail(sample: Sample) -> None:
        seen.put(1)
        raise RuntimeError("no")

    sampler = Sampler(fail, 0.02, gpu=GpuMonitor(FakeNvml()))
    sampler.start()
    for _ in range(3):
        seen.get(timeout=10)
    assert sampler.stop()
