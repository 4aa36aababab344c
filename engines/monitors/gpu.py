"""NVIDIA GPUs as the driver sees them, by NVML; AMD's where there are no NVIDIA's, by amdsmi.

Every call is wrapped on its own, for any of them can be missing on some GPU, driver or container: what can't be had is None
with a reason, never 0. A call can also hang on a sick driver, so sample in a thread of its own. NVML knows nothing of
CUDA_VISIBLE_DEVICES: match a framework's device to a reading by UUID. pynvml is imported at the first sample.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from engines.messages.events import GpuReading
from engines.monitors.amd import Amd
from engines.record import Record

__all__ = ["GpuMonitor", "GpuReading", "GpuUsage"]

RETRY_SECONDS = 10.0
UNDER_MIG = "not available under MIG"

_NOT_INSTALLED = "nvidia-ml-py not installed"
_REASONS = {
    "LibraryNotFound": "no NVIDIA driver",
    "DriverNotLoaded": "NVIDIA driver not loaded",
    "LibRmVersionMismatch": "driver/library version mismatch",
    "NoPermission": "no permission",
    "NotSupported": "not supported by this GPU",
    "FunctionNotFound": "driver too old",
    "GpuIsLost": "GPU is lost",
    "ResetRequired": "GPU needs a reset",
    "NotFound": "GPU not found",
    "InvalidArgument": "GPU not found",
    "Timeout": "NVML timed out",
    "Uninitialized": "NVML not ready",
    "Unknown": "unknown NVML error",
}

FIGURES = (
    "utilization_percent", "memory_used_bytes", "memory_total_bytes", "temperature_celsius", "power_watts", "power_limit_watts",
    "energy_joules", "sm_clock_mhz",
)  # fmt: skip
"""What may be missing of a reading."""

_SM_CLOCK = 1
_THROTTLES = {0x04: "power limit", 0x08: "hardware", 0x20: "heat", 0x40: "heat", 0x80: "power supply"}
"""NVML's nvmlClocksEventReason bits: SwPowerCap, HwSlowdown, SwThermal, HwThermal, HwPowerBrake."""


class GpuProcess(Record):
    """What one process takes of one GPU."""

    pid: int
    """As the driver knows it: in most containers the host's number, which nobody inside can match."""
    memory_bytes: int | None
    utilization_percent: float | None
    """Of the time of the GPU's cores, lately; None where the driver does not count it."""


class GpuUsage(Record):
    """All GPUs at one moment."""

    readings: tuple[GpuReading, ...] = ()
    processes: tuple[GpuProcess, ...] = ()
    """One entry for each GPU that a process computes on."""
    reason: str = ""
    """Why there is no reading; empty when there is one."""


class GpuMonitor:
    """Asks NVML about every GPU; samples come from one thread. After a failure NVML is left alone for 10 seconds."""

    def __init__(self, nvml_module: Any = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._nvml = nvml_module
        self._clock = clock
        self._ready = False
        self._failure: tuple[float, str] | None = None
        self._identities: dict[int, tuple[str, str]] = {}
        self._counted: dict[int, int] = {}
        """By GPU, until when its processes' use was counted, in the driver's microseconds."""

    def sample(self) -> GpuUsage:
        """A reading per GPU, or the reason why there is none."""
        reason = self._initialise()
        if reason:
            return GpuUsage(reason=reason)
        try:
            count = int(self._nvml.nvmlDeviceGetCount())
        except Exception as error:  # a binding over a driver: whatever it raises is a reason
            return GpuUsage(reason=self._fail(error))
        readings: list[GpuReading] = []
        processes: list[GpuProcess] = []
        reason = "GPU hidden" if count == 0 else ""
        for index in range(count):
            try:
                handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
                readings.append(self._read(index, handle))
                processes += self._processes(index, handle)
            except Exception as error:
                reason = _reason(error)
                if index in self._identities:  # it was there before, so it keeps its place
                    readings.append(self._lost(index, reason))
        return GpuUsage(readings=tuple(readings), processes=tuple(processes), reason="" if readings else reason)

    def driver_version(self) -> str:
        """As the driver says it; empty when it can't be asked."""
        with suppress(Exception):
            return _text(self._nvml.nvmlSystemGetDriverVersion()) if not self._initialise() else ""
        return ""

    def holders(self, index: int) -> list[str]:
        """Who computes on a GPU, as "PID (3.1 GB)"; in a container these are the host's numbers, and often none."""
        with suppress(Exception):
            handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
            return [
                f"{one.pid} ({one.usedGpuMemory / 1e9:.1f} GB)" if one.usedGpuMemory else str(one.pid)
                for one in self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)
            ]
        return []

    def close(self) -> None:
        """Let go of the driver; a later sample begins anew."""
        if self._ready:
            self._ready = False
            with suppress(Exception):
                self._nvml.nvmlShutdown()

    def _initialise(self) -> str:
        """Why NVML can't be asked; empty when it can."""
        if self._ready:
            return ""
        if self._failure is not None and self._clock() - self._failure[0] < RETRY_SECONDS:
            return self._failure[1]
        try:
            if self._nvml is None:
                self._nvml = _initialised_driver()
            else:
                self._nvml.nvmlInit()
        except Exception as error:
            return self._fail(error)
        self._ready, self._failure = True, None
        self._identities = {}
        return ""

    def _fail(self, error: Exception) -> str:
        self.close()
        reason = _NOT_INSTALLED if isinstance(error, ImportError) else _reason(error)
        self._failure = (self._clock(), reason)
        return reason

    def _read(self, index: int, handle: Any) -> GpuReading:
        nvml = self._nvml
        missing: list[tuple[str, str]] = []

        def ask(fields: tuple[str, ...], call: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
            try:
                return call()
            except Exception as error:
                missing.extend((field, _reason(error)) for field in fields)
                return (None,) * len(fields)

        name, uuid = self._identify(index, handle)
        slices = self._slices(handle)
        if slices is not None:
            utilization = None
            missing.append(("utilization_percent", UNDER_MIG))
        else:
            (utilization,) = ask(
                ("utilization_percent",), lambda: (float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu),)
            )
        used, total = ask(("memory_used_bytes", "memory_total_bytes"), lambda: _memory(nvml, handle))
        (celsius,) = ask(("temperature_celsius",), lambda: (float(nvml.nvmlDeviceGetTemperature(handle, 0)),))
        (watts,) = ask(("power_watts",), lambda: (nvml.nvmlDeviceGetPowerUsage(handle) / 1000,))
        (limit,) = ask(("power_limit_watts",), lambda: (nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000,))
        (joules,) = ask(("energy_joules",), lambda: (nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000,))
        (clock,) = ask(("sm_clock_mhz",), lambda: (float(nvml.nvmlDeviceGetClockInfo(handle, _SM_CLOCK)),))
        return GpuReading(
            index=index,
            name=name,
            uuid=uuid,
            slices=slices or (),
            sm_clock_mhz=clock,
            throttled=self._throttled(handle),
            utilization_percent=utilization,
            memory_used_bytes=used,
            memory_total_bytes=total,
            temperature_celsius=celsius,
            power_watts=watts,
            power_limit_watts=limit,
            energy_joules=joules,
            missing=tuple(missing),
        )

    def _identify(self, index: int, handle: Any) -> tuple[str, str]:
        """Name and UUID, asked until they are known."""
        if index in self._identities:
            return self._identities[index]
        name, uuid = f"GPU {index}", ""
        with suppress(Exception):
            name = _text(self._nvml.nvmlDeviceGetName(handle))
            uuid = _text(self._nvml.nvmlDeviceGetUUID(handle))
            self._identities[index] = (name, uuid)
        return name, uuid

    def _processes(self, index: int, handle: Any) -> list[GpuProcess]:
        """Who computes on it; nobody where the driver does not tell."""
        held: dict[int, int | None] = {}
        with suppress(Exception):
            for one in self._nvml.nvmlDeviceGetComputeRunningProcesses(handle):
                size = one.usedGpuMemory
                held[int(one.pid)] = int(size) if size is not None and size < 2**63 else None
        busy: dict[int, float] = {}
        if held:
            with suppress(Exception):  # not under MIG, not on old GPUs, and not when nothing ran since
                samples = self._nvml.nvmlDeviceGetProcessUtilization(handle, self._counted.get(index, 0))
                for one in sorted(samples, key=lambda one: int(one.timeStamp)):
                    busy[int(one.pid)], self._counted[index] = float(one.smUtil), int(one.timeStamp)
        return [GpuProcess(pid=pid, memory_bytes=size, utilization_percent=busy.get(pid)) for pid, size in held.items()]

    def _throttled(self, handle: Any) -> str:
        """Why its clocks are held down, as far as it tells."""
        try:
            bits = int(self._nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
        except Exception:  # older drivers have it under another name, older bindings not at all
            try:
                bits = int(self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
            except Exception:
                return ""
        return ", ".join(dict.fromkeys(word for bit, word in _THROTTLES.items() if bits & bit))

    def _slices(self, handle: Any) -> tuple[str, ...] | None:
        """The UUIDs of the MIG slices that it is cut into; None for a GPU that is whole, as most are."""
        nvml, uuids = self._nvml, []
        try:
            if not nvml.nvmlDeviceGetMigMode(handle)[0]:
                return None
        except Exception:  # most GPUs have no such thing
            return None
        with suppress(Exception):
            for index in range(int(nvml.nvmlDeviceGetMaxMigDeviceCount(handle))):
                with suppress(Exception):  # a place that no slice has
                    uuids.append(_text(nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index))))
        return tuple(uuids)

    def _lost(self, index: int, reason: str) -> GpuReading:
        name, uuid = self._identities[index]
        fields: dict[str, Any] = dict.fromkeys(FIGURES)
        return GpuReading(
            index=index, name=name, uuid=uuid, missing=tuple((field, reason) for field in fields), **fields
        )


def _initialised_driver() -> Any:
    """NVML; amdsmi in its place where there is no NVIDIA driver, but an AMD GPU."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:
        amd = Amd()
        with suppress(Exception):
            amd.nvmlInit()
            if amd.nvmlDeviceGetCount():
                return amd
        raise
    return pynvml


def _memory(nvml: Any, handle: Any) -> tuple[int, int]:
    """(used, total) bytes, counted as nvidia-smi does: without what the driver reserves, where it can tell."""
    info = None
    version = getattr(nvml, "nvmlMemory_v2", None)
    if version is not None:
        with suppress(Exception):
            info = nvml.nvmlDeviceGetMemoryInfo(handle, version=version)
    if info is None:
        info = nvml.nvmlDeviceGetMemoryInfo(handle)
    return int(info.used), int(info.total)


def _reason(error: Exception) -> str:
    """A few words for a pane."""
    kind = type(error).__name__.removeprefix("NVMLError_")
    if isinstance(error, AttributeError):
        return "nvidia-ml-py too old"
    return _REASONS.get(kind, f"NVML: {kind}")


def _text(value: str | bytes) -> str:
    """Older bindings answer in bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
