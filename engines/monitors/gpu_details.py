"""Read the figures of a GPU that only the GPU wall shows: its links, its memory clock and the processes that hold it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engines.messages.event_parts import GpuDetails, GpuHolder
from engines.monitors import nvml_errors
from engines.record import Record

WORKER_FILE = str(Path(__file__).parents[1] / "worker" / "__main__.py")
"""The program in the command line of our workers."""

_MEMORY_CLOCK = 2
_PCIE_OUT, _PCIE_IN = 0, 1
"""NVML's nvmlPcieUtilCounter: bytes that the GPU sends, and that it receives, in KB/s over 20 ms."""
_NVLINK_OUT, _NVLINK_IN = 138, 139
"""NVML's NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX and _RX: counters of KiB."""
_ALL_LINKS = 2**32 - 1


class GpuProcess(Record):
    """The usage of one GPU by one process."""

    pid: int
    """The driver's number of the process: in most containers the host's, which matches no process inside."""
    memory_bytes: int | None
    utilization_percent: float | None
    """Recent share of the time of the GPU's cores; None when the driver does not measure it."""


class DetailsReader:
    """Reads the details of every GPU from one thread; each call is wrapped on its own, as in GpuMonitor."""

    def __init__(self, nvml: Any, clock: Callable[[], float]) -> None:
        self._nvml = nvml
        self._clock = clock
        self._counters: dict[tuple[int, int], tuple[float, int]] = {}
        """The time and the value of each NVLink counter at its last reading, by GPU and field."""
        self._holders: dict[int, dict[int, tuple[str, str, bool]]] = {}
        """User, name and ownership of each process, by GPU and process: a process is looked up once."""

    def read(self, index: int, handle: Any, processes: Sequence[GpuProcess]) -> GpuDetails:
        """Return the details of one GPU; the NVLink throughput is known from the second reading on."""
        nvml, missing = self._nvml, []

        def query(field: str, call: Callable[[], float]) -> float | None:
            try:
                return call()
            except _NotYet:
                missing.append((field, "measuring"))
            except Exception as error:
                missing.append((field, nvml_errors.reason(error)))
            return None

        return GpuDetails(
            memory_clock_mhz=query(
                "memory_clock_mhz", lambda: float(nvml.nvmlDeviceGetClockInfo(handle, _MEMORY_CLOCK))
            ),
            pcie_in=query("pcie_in", lambda: nvml.nvmlDeviceGetPcieThroughput(handle, _PCIE_IN) * 1000.0),
            pcie_out=query("pcie_out", lambda: nvml.nvmlDeviceGetPcieThroughput(handle, _PCIE_OUT) * 1000.0),
            nvlink_in=query("nvlink_in", lambda: self._nvlink(index, handle, _NVLINK_IN)),
            nvlink_out=query("nvlink_out", lambda: self._nvlink(index, handle, _NVLINK_OUT)),
            holders=self._find_holders(index, processes),
            missing=tuple(missing),
        )

    def _nvlink(self, index: int, handle: Any, field: int) -> float:
        """Return bytes a second over all links since the last reading. Raises NVML's errors, and _NotYet at the first."""
        (answer,) = self._nvml.nvmlDeviceGetFieldValues(handle, [(field, _ALL_LINKS)])
        if answer.nvmlReturn:
            raise self._nvml.NVMLError(answer.nvmlReturn)
        now, count = self._clock(), int(answer.value.ullVal)
        before, self._counters[index, field] = self._counters.get((index, field)), (now, count)
        if before is None or count < before[1] or now <= before[0]:  # a counter that was reset
            raise _NotYet
        return (count - before[1]) * 1024 / (now - before[0])

    def _find_holders(self, index: int, processes: Sequence[GpuProcess]) -> tuple[GpuHolder, ...]:
        """Return who computes on a GPU, the most memory first."""
        before = self._holders.get(index, {})
        now = self._holders[index] = {one.pid: before.get(one.pid) or describe_process(one.pid) for one in processes}
        holders = (
            GpuHolder(pid=one.pid, memory_bytes=one.memory_bytes, user=user, name=name, ours=ours)
            for one in processes
            for user, name, ours in (now[one.pid],)
        )
        return tuple(sorted(holders, key=lambda holder: -(holder.memory_bytes or 0)))


class _NotYet(Exception):
    """Raised for a rate that needs another reading."""


def describe_process(pid: int) -> tuple[str, str, bool]:
    """Return user and name of a process, and whether it is a worker of ours; empty where this machine shows no such process."""
    import psutil

    try:
        process = psutil.Process(pid)
        user, name = process.username(), process.name()
    except (psutil.Error, OSError, KeyError):  # of another container, or hidden from other users
        return "", "", False
    try:
        family = [process, *process.parents()]  # replicas are children of a worker
        ours = process.uids() == psutil.Process().uids() and any(WORKER_FILE in one.cmdline() for one in family)
    except (psutil.Error, OSError, AttributeError):
        ours = False
    return user, name, ours
