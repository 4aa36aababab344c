"""Read AMD GPUs under NVML's names, so that GpuMonitor treats them, and figures that are missing, as it treats NVIDIA's.

amdsmi comes with ROCm, so a machine with a usable AMD GPU has it. Units of amdsmi 7.0: activity in percent, memory in MiB, power
in watts, temperature in degrees Celsius, clock in MHz; "N/A" for an unknown figure.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any


class NVMLError_NotSupported(Exception):
    """Raised for a figure that amdsmi lacks, under pynvml's name, by which GpuMonitor finds its reason."""


class Amd:
    """The functions of NVML that GpuMonitor calls, implemented by amdsmi; handles are amdsmi's."""

    def __init__(self, amdsmi: Any = None) -> None:
        self._smi = amdsmi
        self._handles: list[Any] = []

    def nvmlInit(self) -> None:
        """Start amdsmi. Raises ImportError without amdsmi, and amdsmi's own errors without an AMD GPU."""
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
        return SimpleNamespace(gpu=_integer(self._smi.amdsmi_get_gpu_activity(handle)["gfx_activity"]))

    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any:
        usage = self._smi.amdsmi_get_gpu_vram_usage(handle)
        return SimpleNamespace(used=_integer(usage["vram_used"]) << 20, total=_integer(usage["vram_total"]) << 20)

    def nvmlDeviceGetTemperature(self, handle: Any, _sensor: int) -> int:
        smi = self._smi
        kind, now = smi.AmdSmiTemperatureType, smi.AmdSmiTemperatureMetric.CURRENT
        try:
            return _integer(smi.amdsmi_get_temp_metric(handle, kind.EDGE, now))
        except Exception:  # an Instinct has no sensor at its edge
            return _integer(smi.amdsmi_get_temp_metric(handle, kind.HOTSPOT, now))

    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int:
        """Return milliwatts, as NVML does; the mean where a GPU has no current figure."""
        power = self._smi.amdsmi_get_power_info(handle)
        now = power["current_socket_power"]
        return 1000 * _integer(power["average_socket_power"] if now in ("N/A", 0) else now)

    def nvmlDeviceGetClockInfo(self, handle: Any, _clock: int) -> int:
        return _integer(self._smi.amdsmi_get_clock_info(handle, self._smi.AmdSmiClkType.GFX)["clk"])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("nvmlDevice"):
            return self._unsupported
        raise AttributeError(name)

    def _unsupported(self, *_: Any) -> Any:
        raise NVMLError_NotSupported


def _integer(value: Any) -> int:
    """Return the figure. Raises NVMLError_NotSupported for "N/A"."""
    if value == "N/A":
        raise NVMLError_NotSupported
    return int(value)
