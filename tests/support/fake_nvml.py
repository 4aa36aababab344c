"""A fake NVML, with as many GPUs as a test needs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class NVMLError(Exception):
    """Base of the errors, with pynvml's name."""


class NVMLError_NotSupported(NVMLError):
    """Raised for a missing figure, with pynvml's name."""


class NVMLError_LibraryNotFound(NVMLError):
    """Raised without a driver, with pynvml's name."""


class NVMLError_NotFound(NVMLError):
    """Raised where there is nothing to report, with pynvml's name."""


class NVMLError_FunctionNotFound(NVMLError):
    """Raised for a function that the driver lacks, with pynvml's name."""


class NVMLError_GpuIsLost(NVMLError):
    """Raised for a GPU that has fallen off the bus, with pynvml's name."""


class FakeNvml:
    """A fake NVML with one GPU; `wrong` overrides its answers with values, exceptions or functions."""

    NVMLError = NVMLError

    def __init__(self, **wrong: Any) -> None:
        self.wrong = wrong
        self.count = 1

    def _answer(self, name: str, value: Any) -> Any:
        answer = self.wrong.get(name, value)
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvml"):
            raise AttributeError(name)
        values = {
            "nvmlDeviceGetCount": self.count,
            "nvmlDeviceGetName": b"Fake GPU",
            "nvmlDeviceGetUUID": "GPU-0",
            "nvmlDeviceGetUtilizationRates": SimpleNamespace(gpu=61),
            "nvmlDeviceGetClockInfo": 1980,
            "nvmlDeviceGetCurrentClocksEventReasons": 0x01,
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(used=3 * 10**9, total=80 * 10**9),
            "nvmlDeviceGetTemperatureV": 55,
            "nvmlSystemGetDriverVersion": b"580.65.06",
            "nvmlDeviceGetCudaComputeCapability": (9, 0),
            "nvmlDeviceGetPowerUsage": 212_000,
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlDeviceGetTotalEnergyConsumption": 5_000,
            "nvmlDeviceGetMigMode": (0, 0),
        }
        return lambda *a, **k: self._answer(name, values.get(name))
