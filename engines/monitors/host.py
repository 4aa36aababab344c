"""Measure CPU and memory of the machine and of one process tree, by psutil.

Figures are differences of CPU times between two samples, so the first sample returns None: missing is not zero. Nothing here
raises for a process that has ended, a missing permission or a sandboxed /proc. psutil is imported at the first sample, in the
sampling thread, so that the first paint does not wait for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from engines.monitors import cgroups
from engines.record import Record

if TYPE_CHECKING:
    import psutil

CHILDREN_REFRESH_SECONDS = 2.0


class ProcessUsage(Record):
    """The usage of a process and all its descendants."""

    cpu_percent: float
    """100 for one core."""
    cores_allowed: int
    rss_bytes: int
    num_threads: int
    pids: tuple[int, ...]


class HostUsage(Record):
    """The usage of this machine, or of this container, by all processes."""

    cpu_percent: float
    """Share of all usable cores, or of the CPU quota where there is one; 0 to 100."""
    per_core: tuple[float, ...]
    """One figure for each core that this process may run on, 0 to 100."""
    memory_used_bytes: int
    memory_total_bytes: int
    """Bytes of the machine, or the cgroup's limit if that is tighter."""


class _Reading(Record, kw_only=False):
    cpu_seconds: float
    rss_bytes: int
    num_threads: int


class ProcessMonitor:
    """Measures one process tree from one thread.

    A descendant counts from the second sample that sees it, so that its earlier CPU time makes no spike.
    """

    def __init__(self, pid: int, cores_allowed: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.pid = pid
        self.cores_allowed = cores_allowed
        self._clock = clock
        self._root: psutil.Process | None = None
        self._children: list[psutil.Process] = []
        self._children_time = 0.0
        self._cpu_seconds: dict[psutil.Process, float] = {}
        self._sample_time = 0.0

    def sample(self) -> ProcessUsage | None:
        """Return the tree's usage since the last sample; None at the first sample and after the process has ended."""
        now = self._clock()
        root = self._root = self._root or _process(self.pid)
        root_reading = _read(root) if root is not None else None
        if root is None or root_reading is None:
            self._cpu_seconds = {}
            return None
        readings = {root: root_reading}
        for child in self._descendants(root, now):
            reading = _read(child)
            if reading is not None:
                readings[child] = reading
        before, elapsed = self._cpu_seconds, now - self._sample_time
        if before and elapsed <= 0:
            return None
        self._cpu_seconds = {process: reading.cpu_seconds for process, reading in readings.items()}
        self._sample_time = now
        if root not in before:
            return None
        cpu_seconds = sum(
            max(0.0, reading.cpu_seconds - before[process])
            for process, reading in readings.items()
            if process in before
        )
        return ProcessUsage(
            cpu_percent=100.0 * cpu_seconds / elapsed,
            cores_allowed=self.cores_allowed,
            rss_bytes=sum(reading.rss_bytes for reading in readings.values()),
            num_threads=sum(reading.num_threads for reading in readings.values()),
            pids=tuple(process.pid for process in readings),
        )

    def _descendants(self, root: psutil.Process, now: float) -> list[psutil.Process]:
        """Return the descendants, the same objects as before; `children()` reads all of /proc, so not at every sample."""
        if not self._cpu_seconds or now - self._children_time >= CHILDREN_REFRESH_SECONDS:
            previous = {child: child for child in self._children}
            self._children = [previous.get(child, child) for child in _children(root)]
            self._children_time = now
        return self._children


class HostMonitor:
    """Measures the part of the machine that this process may use, from one thread."""

    def __init__(self, root: Path = cgroups.ROOT, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._cores: tuple[tuple[float, float], ...] = ()
        self._group: tuple[float, float] | None = None

    def sample(self) -> HostUsage | None:
        """Return the machine's usage since the last sample; None at the first sample, and when the system has no figures."""
        cores, before = _core_times(), self._cores
        memory = self._memory()
        if len(cores) == len(before) and sum(total for _, total in cores) <= sum(total for _, total in before):
            return None
        self._cores = cores
        of_quota = self._percent_of_quota(len(cores))
        if memory is None or not before or len(cores) != len(before):
            return None
        per_core = tuple(
            _percent(busy - busy_before, total - total_before)
            for (busy, total), (busy_before, total_before) in zip(cores, before, strict=True)
        )
        return HostUsage(
            cpu_percent=sum(per_core) / len(per_core) if of_quota is None else of_quota,
            per_core=per_core,
            memory_used_bytes=memory[0],
            memory_total_bytes=memory[1],
        )

    def _percent_of_quota(self, core_count: int) -> float | None:
        """Return the share of its CPU quota that the container used; None when the quota limits nothing."""
        quota, before = cgroups.cpu_quota(self._root), self._group
        if quota is None or quota >= core_count:
            return None
        cpu_seconds = cgroups.cpu_seconds(self._root)
        self._group = None if cpu_seconds is None else (self._clock(), cpu_seconds)
        if self._group is None or before is None:
            return None
        return _percent(self._group[1] - before[1], (self._group[0] - before[0]) * quota)

    def _memory(self) -> tuple[int, int] | None:
        """Return (used, total) bytes of the machine, or of the container if it is limited."""
        import psutil

        limit, used = cgroups.memory_limit(self._root), cgroups.memory_used(self._root)
        try:
            memory = psutil.virtual_memory()
        except (psutil.Error, OSError, ValueError, LookupError, RuntimeError):
            return None if limit is None or used is None else (used, limit)
        if limit is not None and used is not None and limit < memory.total:
            return used, limit
        return memory.total - memory.available, memory.total


def _percent(part: float, total: float) -> float:
    return min(100.0, max(0.0, 100.0 * part / total)) if total > 0 else 0.0


def _core_times() -> tuple[tuple[float, float], ...]:
    """Return (busy, total) seconds of every core that this process may run on; empty when the system has no figures."""
    import psutil

    try:
        times = psutil.cpu_times(percpu=True)
    except (psutil.Error, OSError, ValueError, LookupError, RuntimeError):
        return ()
    ids = cgroups.affinity_ids()
    if max(ids) < len(times):
        times = [times[core] for core in ids]
    pairs = []
    for core in times:
        # Linux counts guest time in user and nice too, and iowait is idle time.
        total = sum(core) - getattr(core, "guest", 0.0) - getattr(core, "guest_nice", 0.0)
        pairs.append((total - core.idle - getattr(core, "iowait", 0.0), total))
    return tuple(pairs)


def _process(pid: int) -> psutil.Process | None:
    import psutil

    try:
        return psutil.Process(pid)
    except (psutil.Error, OSError, ValueError, LookupError, RuntimeError):
        return None


def _children(process: psutil.Process) -> list[psutil.Process]:
    import psutil

    try:
        return process.children(recursive=True)
    except (psutil.Error, OSError, ValueError, LookupError, RuntimeError):
        return []


def _read(process: psutil.Process) -> _Reading | None:
    """Read one process; None when it has ended, as a zombie has, or may not be read."""
    import psutil

    try:
        with process.oneshot():
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            times = process.cpu_times()
            return _Reading(times.user + times.system, process.memory_info().rss, process.num_threads())
    except (psutil.Error, OSError, ValueError, LookupError, RuntimeError):
        return None
