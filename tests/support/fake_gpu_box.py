"""A fake NVML of a box of several GPUs: one may be split by MIG, one may disappear, one may fail every call."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from tests.support.fake_nvml import FakeNvml, NVMLError, NVMLError_GpuIsLost, NVMLError_NotSupported

NVLINK_KIB_PER_SECOND = 2**20
"""The throughput of the NVLinks of each fake GPU, in KiB a second, both ways."""


class FakeGpuBox(FakeNvml):
    """A fake NVML with many GPUs; the handle of a GPU is its index."""

    def __init__(self, count: int = 8, *, clock: Callable[[], float] = lambda: 1.0) -> None:
        super().__init__()
        self.count = count
        self.clock = clock
        self.busy = dict.fromkeys(range(count), 0)
        self.busy |= {0: 87, 4: 61}
        self.mig: set[int] = set()
        self.lost: set[int] = set()
        self.failing: set[int] = set()
        """GPUs without power, PCIe and NVLink figures."""
        self.processes: dict[int, list[tuple[int, int]]] = {}
        """Pairs (pid, bytes) by GPU."""
        self.loaded_at = 0.0
        """The time at which the driver was loaded, from which it counts."""

    def __getattr__(self, name: str) -> Any:
        default = super().__getattr__(name)

        def call(*arguments: Any, **named: Any) -> Any:
            gpu: Any = arguments[0] if arguments else None
            if gpu in self.lost and name.startswith("nvmlDevice"):
                raise NVMLError_GpuIsLost
            if gpu in self.failing and name.endswith(("PowerUsage", "PcieThroughput", "FieldValues", "ClockInfo")):
                raise NVMLError_NotSupported
            answers: dict[str, Callable[[], Any]] = {
                "nvmlDeviceGetHandleByIndex": lambda: gpu,
                "nvmlDeviceGetName": lambda: b"NVIDIA Fake-SXM4-80GB",
                "nvmlDeviceGetUUID": lambda: f"GPU-fake-{gpu}",
                "nvmlDeviceGetUtilizationRates": lambda: SimpleNamespace(gpu=self.busy[gpu]),
                "nvmlDeviceGetMigMode": lambda: (int(gpu in self.mig), 0),
                "nvmlDeviceGetMaxMigDeviceCount": lambda: 0,
                "nvmlDeviceGetMemoryInfo": lambda: SimpleNamespace(
                    used=sum(size for _, size in self.processes.get(gpu, [])) + 5 * 10**8, total=80 * 10**9
                ),
                "nvmlDeviceGetCurrentClocksEventReasons": lambda: 0x40 if self.busy[gpu] > 80 else 1,
                "nvmlDeviceGetPowerUsage": lambda: 60_000 + 6_000 * self.busy[gpu],
                "nvmlDeviceGetClockInfo": lambda: 2619 if arguments[1] == 2 else 1980,
                "nvmlDeviceGetPcieThroughput": lambda: 1_200_000 if arguments[1] else 300_000,
                "nvmlDeviceGetFieldValues": lambda: [self._counter()],
                "nvmlDeviceGetComputeRunningProcesses": lambda: [
                    SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in self.processes.get(gpu, [])
                ],
                "nvmlDeviceGetProcessUtilization": lambda: [],
            }
            return answers[name]() if name in answers else default(*arguments, **named)

        return call

    def _counter(self) -> SimpleNamespace:
        count = int((self.clock() - self.loaded_at) * NVLINK_KIB_PER_SECOND)
        return SimpleNamespace(nvmlReturn=0, value=SimpleNamespace(ullVal=count))

    NVMLError = NVMLError
