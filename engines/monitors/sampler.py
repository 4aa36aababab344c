"""Sample the machine in two threads: one for CPU and memory, one for NVML, so that a hanging driver delays nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TypeVar

from engines.messages.events import MachineUsage, WorkerUsage
from engines.monitors.gpu import GpuMonitor, GpuUsage
from engines.monitors.host import HostMonitor, HostUsage, ProcessMonitor, ProcessUsage
from engines.record import Record

T = TypeVar("T")

GPU_STALE_SECONDS = 5.0
NOT_QUERIED_YET = "asking NVML"
NOT_ANSWERING = "NVML not answering"


class Sample(Record):
    """The machine at one moment."""

    t: float
    """Seconds on the monotonic clock."""
    host: HostUsage | None
    gpus: GpuUsage
    processes: tuple[tuple[str, ProcessUsage], ...]
    """Usages with the names given to `watch`; processes without a figure are left out."""

    def of_workers(self) -> Iterator[WorkerUsage]:
        """Yield the usage of each process tree, whose name is its engine's."""
        for engine, usage in self.processes:
            memory, busy = gpu_share(usage, self.gpus)
            yield WorkerUsage(
                engine=engine,
                t=self.t,
                cpu_percent=usage.cpu_percent,
                cores_allowed=usage.cores_allowed,
                rss_bytes=usage.rss_bytes,
                num_threads=usage.num_threads,
                gpu_memory_bytes=memory,
                gpu_percent=busy,
            )

    def of_machine(self, seq: int) -> MachineUsage | None:
        """Return the usage of the machine; None when the host has no figures."""
        if self.host is None:
            return None
        return MachineUsage(
            engine="machine",
            seq=seq,
            t=self.t,
            cpu_percent=self.host.cpu_percent,
            per_core=self.host.per_core,
            memory_used_bytes=self.host.memory_used_bytes,
            memory_total_bytes=self.host.memory_total_bytes,
            gpus=self.gpus.readings,
            gpu_reason=self.gpus.reason,
        )


def gpu_share(usage: ProcessUsage, gpus: GpuUsage) -> tuple[int | None, float | None]:
    """Return a process tree's GPU memory in bytes, on all GPUs together, and its mean share of their time in percent."""
    own = [process for process in gpus.processes if process.pid in usage.pids]
    memory = [process.memory_bytes for process in own if process.memory_bytes is not None]
    busy = [process.utilization_percent for process in own if process.utilization_percent is not None]
    return sum(memory) if memory else None, sum(busy) / len(busy) if busy else None


class Sampler:
    """Calls `on_sample` once per interval, from its own daemon thread, until `stop`.

    Exceptions of a callback or a monitor go to `on_error`, and sampling continues. Missed ticks are skipped.
    """

    def __init__(
        self,
        on_sample: Callable[[Sample], None],
        interval_seconds: float = 1.0,
        *,
        on_error: Callable[[Exception], None] | None = None,
        host: HostMonitor | None = None,
        gpu: GpuMonitor | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_sample = on_sample
        self._interval_seconds = interval_seconds
        self._on_error = on_error
        self._host = host or HostMonitor()
        self._gpu = gpu or GpuMonitor()
        self._clock = clock
        self._lock = threading.Lock()
        self._processes: dict[str, ProcessMonitor] = {}
        self._gpus = (0.0, GpuUsage(reason=NOT_QUERIED_YET))
        self._stopping = threading.Event()
        self._threads: tuple[threading.Thread, ...] = ()

    def watch(self, name: str, pid: int, cores_allowed: int) -> None:
        """Report this process tree under `name`, from the second tick on; replaces an earlier watch of that name."""
        monitor = ProcessMonitor(pid, cores_allowed)
        with self._lock:
            self._processes[name] = monitor

    def watch_gpu_details(self, on: bool) -> None:
        """Read the details of the GPUs too, from the next tick on, or no longer."""
        self._gpu.with_details = on

    def unwatch(self, name: str) -> None:
        """Stop reporting the process tree of that name."""
        with self._lock:
            self._processes.pop(name, None)

    def start(self) -> None:
        """Start sampling; figures are differences, so the first sample follows after one interval. A second start does nothing."""
        if self._threads and not self._stopping.is_set():
            return
        self._stopping = stopping = threading.Event()
        self._gpus = (self._clock(), GpuUsage(reason=NOT_QUERIED_YET))
        self._threads = tuple(
            threading.Thread(target=run, args=(stopping,), name=name, daemon=True)
            for run, name in ((self._watch_host, "monitor-host"), (self._watch_gpus, "monitor-gpu"))
        )
        for thread in self._threads:
            thread.start()

    def stop(self, timeout_seconds: float = 2.0) -> bool:
        """End and join both threads; False when one hangs in a driver and is left behind, as a daemon thread."""
        self._stopping.set()
        deadline = time.monotonic() + timeout_seconds
        others = [thread for thread in self._threads if thread is not threading.current_thread()]
        for thread in others:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in others)

    def _watch_host(self, stopping: threading.Event) -> None:
        self._guarded(self._sample)
        due = time.monotonic() + self._interval_seconds
        while not stopping.wait(max(0.0, due - time.monotonic())):
            sample = self._guarded(self._sample)
            if sample is not None and not stopping.is_set():
                self._deliver(sample)
            due = max(due + self._interval_seconds, time.monotonic())

    def _watch_gpus(self, stopping: threading.Event) -> None:
        try:
            while True:
                usage = self._guarded(self._gpu.sample)
                if usage is not None:
                    with self._lock:
                        self._gpus = (self._clock(), usage)
                if stopping.wait(self._interval_seconds):
                    return
        finally:
            self._guarded(self._gpu.close)

    def _sample(self) -> Sample:
        now = self._clock()
        with self._lock:
            monitors = tuple(self._processes.items())
            gpu_time, gpus = self._gpus
        if now - gpu_time > GPU_STALE_SECONDS:
            gpus = GpuUsage(reason=NOT_ANSWERING)
        usages = ((name, monitor.sample()) for name, monitor in monitors)
        return Sample(
            t=now,
            host=self._host.sample(),
            gpus=gpus,
            processes=tuple((name, usage) for name, usage in usages if usage is not None),
        )

    def _deliver(self, sample: Sample) -> None:
        self._guarded(lambda: self._on_sample(sample))

    def _guarded(self, call: Callable[[], T]) -> T | None:
        try:
            return call()
        except Exception as error:
            self._report(error)
            return None

    def _report(self, error: Exception) -> None:
        if self._on_error is not None:
            with suppress(Exception):
                self._on_error(error)
