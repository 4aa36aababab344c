"""Figures of the machine: real processes, and a fake NVML."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from engines.monitors.gpu import GpuMonitor
from engines.monitors.host import HostMonitor, ProcessMonitor
from engines.monitors.sampler import Sample, Sampler
from tests.support.fake_nvml import (
    FakeNvml,
    NVMLError_FunctionNotFound,
    NVMLError_LibraryNotFound,
    NVMLError_NotFound,
    NVMLError_NotSupported,
)

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


NOT_SUPPORTED, NOT_FOUND = NVMLError_NotSupported(), NVMLError_FunctionNotFound()
NO_NAME = AttributeError("module 'pynvml' has no such function")


@pytest.mark.parametrize(
    ("newer", "older", "celsius", "reason"),
    [
        (55, NOT_FOUND, 55.0, None),  # CUDA 14
        (NOT_FOUND, 54, 54.0, None),  # an older driver
        (NO_NAME, 54, 54.0, None),  # an older binding
        (NOT_SUPPORTED, NOT_FOUND, None, "not supported by this GPU"),
        (NOT_SUPPORTED, NO_NAME, None, "not supported by this GPU"),
        (NOT_FOUND, NOT_SUPPORTED, None, "not supported by this GPU"),
        (NOT_FOUND, NOT_FOUND, None, "driver too old"),
        (NO_NAME, NOT_FOUND, None, "nvidia-ml-py too old"),
    ],
)
def test_the_temperature_comes_from_the_function_that_driver_and_binding_have(
    newer: Any, older: Any, celsius: float | None, reason: str | None
) -> None:
    fake = FakeNvml(nvmlDeviceGetTemperatureV=newer, nvmlDeviceGetTemperature=older)
    (gpu,) = GpuMonitor(fake).sample().readings
    assert (gpu.temperature_celsius, dict(gpu.missing).get("temperature_celsius")) == (celsius, reason)


def test_the_utilization_of_processes_is_steady_and_free_of_the_drivers_garbage() -> None:
    """A fake NVML returns what real drivers do: impossible percentages, times of 2**63, and nothing between two samples."""
    now = 1000.0
    samples: list[Any] | Exception = []

    def sample(percent: int, seconds: float, pid: int = 7) -> Any:
        return SimpleNamespace(pid=pid, smUtil=percent, timeStamp=int(seconds * 1e6))

    fake = FakeNvml(
        nvmlDeviceGetComputeRunningProcesses=[SimpleNamespace(pid=pid, usedGpuMemory=1 << 30) for pid in (7, 8)],
        nvmlDeviceGetProcessUtilization=lambda: samples,
    )
    monitor = GpuMonitor(fake, clock=lambda: now, wall_clock=lambda: now)

    def utilization() -> list[float | None]:
        return [process.utilization_percent for process in monitor.sample().processes]

    assert utilization() == [None, None], "never measured is not idle"
    samples = [sample(60, 999.9), sample(20, 999.7), sample(2**32 - 1, 999.95), sample(90, 2**63 / 1e6), sample(80, 1)]
    assert utilization() == [60.0, None]
    fake.wrong["nvmlDeviceGetProcessUtilization"] = NVMLError_NotFound()
    for later, percent in ((1001.0, 60.0), (1003.0, 60.0), (1003.5, 0.0)):
        now = later
        assert utilization() == [percent, None]
    fake.wrong["nvmlDeviceGetProcessUtilization"] = lambda: samples
    samples = [sample(40, 1003.4)]
    assert utilization() == [40.0, None], "a time of 2**63 does not end the measurements"


def test_the_driver_and_the_compute_capabilities_of_fake_gpus() -> None:
    fake = FakeNvml(nvmlDeviceGetCudaComputeCapability=(12, 0))
    fake.count = 2
    gpus = GpuMonitor(fake).nvidia_gpus()
    assert (gpus.driver, gpus.capabilities, gpus.reason) == ("580.65.06", ((12, 0), (12, 0)), "")
    absent = GpuMonitor(FakeNvml(nvmlInit=NVMLError_LibraryNotFound())).nvidia_gpus()
    assert (absent.driver, absent.capabilities, absent.reason) == ("", (), "no NVIDIA driver")
    lost = GpuMonitor(FakeNvml(nvmlDeviceGetCudaComputeCapability=NVMLError_NotSupported())).nvidia_gpus()
    assert (lost.driver, lost.capabilities) == ("580.65.06", ())


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
