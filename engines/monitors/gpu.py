"""Read NVIDIA GPUs through NVML, or AMD GPUs through amdsmi on a machine without NVIDIA's.

Every call is wrapped on its own, because each can fail on some GPU, driver or container: a missing figure is None with a reason,
never 0. A call can also hang in a broken driver, so sample in a separate thread. NVML ignores CUDA_VISIBLE_DEVICES: match a
framework's device to a reading by UUID. pynvml is imported at the first sample.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import Any

from engines.messages.event_parts import GpuDetails
from engines.messages.events import GpuReading
from engines.monitors import nvml_errors
from engines.monitors.amd import Amd
from engines.monitors.gpu_details import DetailsReader, GpuProcess
from engines.record import Record

__all__ = ["GpuMonitor", "GpuProcess", "GpuReading", "GpuUsage", "NvidiaGpus"]

RETRY_SECONDS = 10.0
UTILIZATION_SECONDS = 1.0
"""Age of the oldest utilization of processes that is read; the driver takes a sample several times a second."""
KEEP_SECONDS = 3.0
"""A process without a new sample keeps its last utilization for this time, and then counts as idle."""
UNDER_MIG = "not available under MIG"

FIGURES = (
    "utilization_percent", "memory_used_bytes", "memory_total_bytes", "temperature_celsius", "power_watts", "power_limit_watts",
    "energy_joules", "sm_clock_mhz",
)  # fmt: skip
"""The fields of a reading that may be missing."""

_SM_CLOCK, _CORE_TEMPERATURE = 1, 0
_THROTTLES = {0x04: "power limit", 0x08: "hardware", 0x20: "heat", 0x40: "heat", 0x80: "power supply"}
"""NVML's nvmlClocksEventReason bits: SwPowerCap, HwSlowdown, SwThermal, HwThermal, HwPowerBrake."""


class GpuUsage(Record):
    """All GPUs at one moment."""

    readings: tuple[GpuReading, ...] = ()
    processes: tuple[GpuProcess, ...] = ()
    """One entry for each process and each GPU that it computes on."""
    reason: str = ""
    """The reason why there is no reading; empty when there is one."""


class NvidiaGpus(Record):
    """NVIDIA's driver and GPUs, as the driver reports them without any framework."""

    driver: str = ""
    """The driver's version, such as "570.86.15"; empty when unknown."""
    capabilities: tuple[tuple[int, int], ...] = ()
    """The compute capability of each GPU, such as (9, 0)."""
    reason: str = ""
    """The reason why the driver's version is unknown."""


class GpuMonitor:
    """Reads every GPU from one thread. After a failure, NVML is not called for 10 seconds."""

    def __init__(
        self,
        nvml_module: Any = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`clock` measures durations; `wall_clock` is the driver's own, in seconds since 1970."""
        self.with_details = False
        """True to read the details that the GPU wall shows; they take some 40 ms for each GPU."""
        self._nvml = nvml_module
        self._clock = clock
        self._wall_clock = wall_clock
        self._ready = False
        self._failure: tuple[float, str] | None = None
        self._identities: dict[int, tuple[str, str]] = {}
        self._utilizations: dict[int, dict[int, tuple[float, float]]] = {}
        """The last utilization of each process and its time by `clock`, by GPU and process."""

    def sample(self) -> GpuUsage:
        """Return a reading for each GPU, or the reason why there is none."""
        reason = self._initialise()
        if reason:
            return GpuUsage(reason=reason)
        try:
            count = int(self._nvml.nvmlDeviceGetCount())
        except Exception as error:  # a driver's binding may raise anything
            return GpuUsage(reason=self._fail(error))
        readings: list[GpuReading] = []
        processes: list[GpuProcess] = []
        reason = "GPU hidden" if count == 0 else ""
        for index in range(count):
            try:
                handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
                found = self._processes(index, handle)
                details = self._details.read(index, handle, found) if self.with_details else None
                readings.append(self._read(index, handle, details))
                processes += found
            except Exception as error:
                reason = nvml_errors.reason(error)
                if index in self._identities or nvml_errors.kind(error) in ("GpuIsLost", "ResetRequired"):
                    readings.append(self._lost(index, reason))
        return GpuUsage(readings=tuple(readings), processes=tuple(processes), reason="" if readings else reason)

    def nvidia_gpus(self) -> NvidiaGpus:
        """Return the driver's version and the compute capabilities, or the reason why the version is unknown."""
        reason = self._initialise()
        if reason:
            return NvidiaGpus(reason=reason)
        try:
            driver = nvml_errors.text(self._nvml.nvmlSystemGetDriverVersion())
            count = int(self._nvml.nvmlDeviceGetCount())
        except Exception:  # an AMD GPU has neither
            return NvidiaGpus(reason="no NVIDIA driver")
        capabilities = []
        for index in range(count):
            with suppress(Exception):  # a lost GPU
                handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
                major, minor = self._nvml.nvmlDeviceGetCudaComputeCapability(handle)
                capabilities.append((int(major), int(minor)))
        return NvidiaGpus(driver=driver, capabilities=tuple(capabilities))

    def processes_on(self, index: int) -> list[str]:
        """Return the processes that compute on a GPU as "PID (3.1 GB)"; in a container with the host's numbers, and often none."""
        with suppress(Exception):
            handle = self._nvml.nvmlDeviceGetHandleByIndex(index)
            return [
                f"{process.pid} ({process.usedGpuMemory / 1e9:.1f} GB)" if process.usedGpuMemory else str(process.pid)
                for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(handle)
            ]
        return []

    def minor_number(self, index: int) -> int | None:
        """Return N of a GPU's device /dev/nvidiaN; None where the driver does not tell it, as AMD's."""
        with suppress(Exception):
            return int(self._nvml.nvmlDeviceGetMinorNumber(self._nvml.nvmlDeviceGetHandleByIndex(index)))
        return None

    def slice_names(self, index: int) -> dict[str, str]:
        """Return the names of a GPU's MIG slices, such as "MIG 1g.10gb", by UUID."""
        names = {}
        with suppress(Exception):
            for mig_device in self._mig_devices(self._nvml.nvmlDeviceGetHandleByIndex(index)):
                with suppress(Exception):
                    name = nvml_errors.text(self._nvml.nvmlDeviceGetName(mig_device))
                    uuid = nvml_errors.text(self._nvml.nvmlDeviceGetUUID(mig_device))
                    names[uuid] = name[max(0, name.find("MIG ")) :]
        return names

    def close(self) -> None:
        """Release the driver; a later sample initialises it again."""
        if self._ready:
            self._ready = False
            with suppress(Exception):
                self._nvml.nvmlShutdown()

    def _initialise(self) -> str:
        """Initialise NVML, unless that is done; return why it is not available, or an empty text."""
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
        self._details = DetailsReader(self._nvml, self._clock)
        return ""

    def _fail(self, error: Exception) -> str:
        self.close()
        reason = nvml_errors.NOT_INSTALLED if isinstance(error, ImportError) else nvml_errors.reason(error)
        self._failure = (self._clock(), reason)
        return reason

    def _read(self, index: int, handle: Any, details: GpuDetails | None) -> GpuReading:
        nvml = self._nvml
        missing: list[tuple[str, str]] = []

        def query(fields: tuple[str, ...], call: Callable[[], tuple[Any, ...]]) -> tuple[Any, ...]:
            try:
                return call()
            except Exception as error:
                missing.extend((field, nvml_errors.reason(error)) for field in fields)
                return (None,) * len(fields)

        name, uuid = self._identify(index, handle)
        slices = self._slices(handle)
        if slices is not None:
            utilization = None
            missing.append(("utilization_percent", UNDER_MIG))
        else:
            (utilization,) = query(
                ("utilization_percent",), lambda: (float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu),)
            )
        used, total = query(("memory_used_bytes", "memory_total_bytes"), lambda: _memory(nvml, handle))
        (celsius,) = query(("temperature_celsius",), lambda: (_temperature(nvml, handle),))
        (watts,) = query(("power_watts",), lambda: (nvml.nvmlDeviceGetPowerUsage(handle) / 1000,))
        (limit,) = query(("power_limit_watts",), lambda: (nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000,))
        (joules,) = query(("energy_joules",), lambda: (nvml.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000,))
        (clock,) = query(("sm_clock_mhz",), lambda: (float(nvml.nvmlDeviceGetClockInfo(handle, _SM_CLOCK)),))
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
            details=details,
        )

    def _identify(self, index: int, handle: Any) -> tuple[str, str]:
        """Return name and UUID; placeholders, which are not cached, until NVML returns them."""
        if index in self._identities:
            return self._identities[index]
        name, uuid = f"GPU {index}", ""
        with suppress(Exception):
            name = nvml_errors.text(self._nvml.nvmlDeviceGetName(handle))
            uuid = nvml_errors.text(self._nvml.nvmlDeviceGetUUID(handle))
            self._identities[index] = (name, uuid)
        return name, uuid

    def _processes(self, index: int, handle: Any) -> list[GpuProcess]:
        """Return the processes that compute on a GPU; none when the driver does not list them."""
        memory: dict[int, int | None] = {}
        with suppress(Exception):
            for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(handle):
                size = process.usedGpuMemory
                memory[int(process.pid)] = int(size) if size is not None and size < 2**63 else None
        busy = self._measure_processes(index, handle, memory.keys()) if memory else {}
        return [
            GpuProcess(pid=pid, memory_bytes=size, utilization_percent=busy.get(pid)) for pid, size in memory.items()
        ]

    def _measure_processes(self, index: int, handle: Any, pids: Collection[int]) -> dict[int, float]:
        """Return the newest utilization in percent of those processes that the driver ever measured.

        The driver fills some entries with garbage: percentages of up to 2**32 - 1 and times of up to 2**63, in microseconds since
        1970. It reports an error when no process ran since the time that it is asked about.
        """
        since = int((self._wall_clock() - UTILIZATION_SECONDS) * 1e6)
        last = {pid: measured for pid, measured in self._utilizations.get(index, {}).items() if pid in pids}
        with suppress(Exception):  # fails under MIG and on old GPUs, too
            samples = self._nvml.nvmlDeviceGetProcessUtilization(handle, since)
            until = int(self._wall_clock() * 1e6)
            for sample in sorted(samples, key=lambda sample: int(sample.timeStamp)):
                if since <= sample.timeStamp <= until and sample.smUtil <= 100 and sample.pid in pids:
                    last[int(sample.pid)] = float(sample.smUtil), self._clock()
        self._utilizations[index] = last
        now = self._clock()
        return {pid: percent if now - t <= KEEP_SECONDS else 0.0 for pid, (percent, t) in last.items()}

    def _throttled(self, handle: Any) -> str:
        """Return why the GPU's clocks are throttled; empty when they are not, or it is unknown."""
        try:
            bits = int(self._nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
        except Exception:  # older drivers use another name, older bindings have neither
            try:
                bits = int(self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons(handle))
            except Exception:
                return ""
        return ", ".join(dict.fromkeys(word for bit, word in _THROTTLES.items() if bits & bit))

    def _slices(self, handle: Any) -> tuple[str, ...] | None:
        """Return the UUIDs of the GPU's MIG slices; None when MIG is off."""
        nvml, uuids = self._nvml, []
        try:
            if not nvml.nvmlDeviceGetMigMode(handle)[0]:
                return None
        except Exception:  # most GPUs have no MIG mode
            return None
        with suppress(Exception):
            for mig_device in self._mig_devices(handle):
                with suppress(Exception):
                    uuids.append(nvml_errors.text(nvml.nvmlDeviceGetUUID(mig_device)))
        return tuple(uuids)

    def _mig_devices(self, handle: Any) -> Iterator[Any]:
        """Yield the handles of a GPU's slices. Raises NVML's error when they can't be counted."""
        for index in range(int(self._nvml.nvmlDeviceGetMaxMigDeviceCount(handle))):
            with suppress(Exception):  # an index without a slice
                yield self._nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)

    def _lost(self, index: int, reason: str) -> GpuReading:
        """Return the reading of a GPU that is lost: all figures missing, for this reason."""
        name, uuid = self._identities.get(index, (f"GPU {index}", ""))
        fields: dict[str, Any] = dict.fromkeys(FIGURES)
        return GpuReading(
            index=index, name=name, uuid=uuid, missing=tuple((field, reason) for field in fields), **fields
        )


def _initialised_driver() -> Any:
    """Return NVML, initialised; amdsmi instead on a machine with an AMD GPU and no NVIDIA driver. Raises NVML's error."""
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


def _temperature(nvml: Any, handle: Any) -> float:
    """Return degrees Celsius. NVML marks nvmlDeviceGetTemperature as removed in CUDA 14; older drivers lack its successor.

    Raises the error of the function that this driver and this binding have.
    """
    try:
        return float(nvml.nvmlDeviceGetTemperatureV(handle, _CORE_TEMPERATURE))
    except Exception as newer_error:
        try:
            return float(nvml.nvmlDeviceGetTemperature(handle, _CORE_TEMPERATURE))
        except Exception as older_error:
            is_gone = isinstance(older_error, AttributeError) or nvml_errors.kind(older_error) == "FunctionNotFound"
            raise (newer_error if is_gone else older_error) from None


def _memory(nvml: Any, handle: Any) -> tuple[int, int]:
    """Return (used, total) bytes as nvidia-smi does: without the driver's reserve, if the binding separates it."""
    info = None
    version = getattr(nvml, "nvmlMemory_v2", None)
    if version is not None:
        with suppress(Exception):
            info = nvml.nvmlDeviceGetMemoryInfo(handle, version=version)
    if info is None:
        info = nvml.nvmlDeviceGetMemoryInfo(handle)
    return int(info.used), int(info.total)
