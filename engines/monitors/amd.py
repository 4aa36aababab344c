"""AMD GPUs under NVML's names, so that GpuMonitor reads them as it reads NVIDIA's, with the same care for what is missing.

amdsmi comes with ROCm: whoever has an AMD GPU has it, and nobody else needs it. Units as amdsmi 7.0 gives them: activity in
percent, memory in MiB, power in watts, temperature in degrees Celsius, clock in MHz; "N/A" for what it does not know.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class NVMLError_NotSupported(Exception):
    """By pynvml's name, which GpuMonitor knows."""


class Amd:
    """What GpuMonitor calls of NVML, answered by amdsmi; a handle is amdsmi's own."""

    def __init__(self, amdsmi: Any = None) -> None:
        self._smi = amdsmi
        self._handles: list[Any] = []

    def nvmlInit(self) -> None:
        """Raises ImportError where there is no amdsmi, and what it raises where there is no AMD GPU."""
        if self._smi is None:
            import amdsmi

            self._smi = amdsmi
        self._smi.amdsmi_init()
        self._handles = self._smi.amdsmi_get_processor_handles()

    def nvmlShutdown(self) -> None:
        self._smi.amdsmi_shut_down()

    def nvmlDeviceGetCount(self) -> int:
        return len(self._handles)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any:
        return self._handles[index]

    def nvmlDeviceGetName(self, handle: Any) -> str:
        return str(self._smi.amdsmi_get_gpu_asic_info(handle)["market_name"])

    def nvmlDeviceGetUUID(self, handle: Any) -> str:
        return str(self._smi.amdsmi_get_gpu_device_uuid(handle))

    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any:
        return SimpleNamespace(gpu=_known(self._smi.amdsmi_get_gpu_activity(handle)["gfx_activity"]))

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
        held = self._smi.amdsmi_get_gpu_vram_usage(handle)
        return SimpleNamespace(used=_known(held["vram_used"]) << 20, total=_known(held["vram_total"]) << 20)

    def nvmlDeviceGetTemperature(self, handle: Any, _sensor: int) -> int:
        smi = self._smi
        kind, now = smi.AmdSmiTemperatureType, smi.AmdSmiTemperatureMetric.CURRENT
        try:
            return _known(smi.amdsmi_get_temp_metric(handle, kind.EDGE, now))
        except Exception:  # an Instinct has no sensor at its edge
            return _known(smi.amdsmi_get_temp_metric(handle, kind.HOTSPOT, now))

    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int:
        """In milliwatts, as NVML's. Some GPUs know only the mean."""
        told = self._smi.amdsmi_get_power_info(handle)
        now = told["current_socket_power"]
        return 1000 * _known(told["average_socket_power"] if now in ("N/A", 0) else now)

    def nvmlDeviceGetClockInfo(self, handle: Any, _clock: int) -> int:
        return _known(self._smi.amdsmi_get_clock_info(handle, self._smi.AmdSmiClkType.GFX)["clk"])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("nvmlDevice"):
            return self._unsupported
        raise AttributeError(name)

    def _unsupported(self, *_: Any) -> Any:
        raise NVMLError_NotSupported


def _known(value: Any) -> int:
    if value == "N/A":
        raise NVMLError_NotSupported
    return int(value)
