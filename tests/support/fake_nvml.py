"""A fake NVML: a driver with as many GPUs as a test asks for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class NVMLError(Exception):
    """As in pynvml."""


class NVMLError_NotSupported(NVMLError):  # pynvml's name
    """As in pynvml."""


class NVMLError_LibraryNotFound(NVMLError):
    """As in pynvml."""


class FakeNvml:
    """A fake NVML with one GPU; what is set on it goes wrong."""

    NVMLError = NVMLError

    def __init__(self, **wrong: Any) -> None:
        self.wrong = wrong
        self.count = 1

    def _do(self, name: str, value: Any) -> Any:
        todo = self.wrong.get(name, value)
        if isinstance(todo, Exception):
            raise todo
        return todo() if callable(todo) else todo

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
            "nvmlDeviceGetTemperature": 55,
            "nvmlDeviceGetPowerUsage": 212_000,
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlDeviceGetTotalEnergyConsumption": 5_000,
            "nvmlDeviceGetMigMode": (0, 0),
        }
        return lambda *a, **k: self._do(name, values.get(name))
