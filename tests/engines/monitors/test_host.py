"""Figures of the machine and of a process tree, from a fake psutil and a clock that stands until a test sets it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import psutil
import pytest

from engines.monitors import cgroups
from engines.monitors.host import CHILDREN_REFRESH_SECONDS, HostMonitor, HostUsage, ProcessMonitor, ProcessUsage
from tests.support.fake_root import limited_to


class Times(NamedTuple):
    """The CPU times of a core, as psutil has them on Linux."""

    user: float = 0.0
    system: float = 0.0
    idle: float = 0.0
    iowait: float = 0.0
    guest: float = 0.0


class FakeMachine:
    """A machine of two cores and 1,000 bytes of memory, 400 of them available, without a container."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.cores = [Times(), Times()]
        self.now = 0.0
        self.monitor = HostMonitor(root, lambda: self.now)
        monkeypatch.setattr(psutil, "cpu_times", lambda percpu: self.cores)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=1000, available=400))
        monkeypatch.setattr(cgroups, "affinity_ids", lambda: (0, 1))

    def after(self, seconds: float, *cores: Times) -> HostUsage:
        """Return the usage after a time in which each core spent those times."""
        assert self.monitor.sample() is None, "a first sample has nothing to compare with"
        self.now += seconds
        self.cores = [Times(*map(sum, zip(*pair, strict=True))) for pair in zip(self.cores, cores, strict=True)]
        usage = self.monitor.sample()
        assert usage is not None
        return usage


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    return FakeMachine(tmp_path, monkeypatch)


def test_a_core_is_busy_in_user_and_system_time(machine: FakeMachine) -> None:
    usage = machine.after(10, Times(user=4, system=1, idle=5), Times(idle=10))
    assert (usage.per_core, usage.cpu_percent) == ((50.0, 0.0), 25.0)


def test_waiting_for_a_disk_is_idle_time(machine: FakeMachine) -> None:
    usage = machine.after(10, Times(user=2, iowait=6, idle=2), Times(iowait=10))
    assert usage.per_core == (20.0, 0.0)


def test_time_of_a_guest_counts_once(machine: FakeMachine) -> None:
    """The kernel counts it in the user time already."""
    usage = machine.after(10, Times(user=5, guest=5, idle=5), Times(idle=10))
    assert usage.per_core == (50.0, 0.0)


def test_a_moment_without_a_tick_of_the_kernels_clock_has_no_figures(machine: FakeMachine) -> None:
    """The next sample counts from the last one that had any."""
    machine.monitor.sample()
    assert machine.monitor.sample() is None
    machine.cores = [Times(user=3, idle=7), Times(idle=10)]
    usage = machine.monitor.sample()
    assert usage is not None
    assert usage.per_core == (30.0, 0.0)


def test_only_the_cores_of_this_process_count(machine: FakeMachine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroups, "affinity_ids", lambda: (1,))
    usage = machine.after(10, Times(user=10), Times(user=3, idle=7))
    assert (usage.per_core, usage.cpu_percent) == ((30.0,), 30.0)


def test_under_a_quota_the_cpu_is_full_when_the_quota_is_used_up(machine: FakeMachine) -> None:
    """The container may use half a core: 2.5 s in 10 s are half of that, whatever other containers do on these cores."""
    limited_to(machine.root, "50000 100000", cpu_stat="usage_usec 1000000\n")
    machine.monitor.sample()
    limited_to(machine.root, "50000 100000", cpu_stat="usage_usec 3500000\n")
    machine.now, machine.cores = 10.0, [Times(user=10), Times(user=10)]
    usage = machine.monitor.sample()
    assert usage is not None
    assert (usage.cpu_percent, usage.per_core) == (50.0, (100.0, 100.0))


def test_a_quota_of_all_cores_limits_nothing(machine: FakeMachine) -> None:
    limited_to(machine.root, "200000 100000", cpu_stat="usage_usec 0\n")
    assert machine.after(10, Times(user=10), Times(idle=10)).cpu_percent == 50.0


def test_memory_that_is_not_available_is_used(machine: FakeMachine) -> None:
    usage = machine.after(10, Times(idle=10), Times(idle=10))
    assert (usage.memory_used_bytes, usage.memory_total_bytes) == (600, 1000)


@pytest.mark.parametrize(("limit", "memory"), [(800, (300, 800)), (1000, (600, 1000)), (2000, (600, 1000))])
def test_the_tighter_of_a_limit_and_the_machine_counts(
    limit: int, memory: tuple[int, int], machine: FakeMachine
) -> None:
    limited_to(machine.root, memory=limit, memory_current="500\n", memory_stat="inactive_file 200\n")
    usage = machine.after(10, Times(idle=10), Times(idle=10))
    assert (usage.memory_used_bytes, usage.memory_total_bytes) == memory


class FakeProcess:
    """A process as psutil sees it: what it used so far, and its children."""

    def __init__(self, pid: int, rss: int = 100, threads: int = 1) -> None:
        self.pid, self.rss, self.threads = pid, rss, threads
        self.seconds = 0.0
        self.state = psutil.STATUS_RUNNING
        self.descendants: list[FakeProcess] = []

    def oneshot(self) -> contextlib.nullcontext[None]:
        return contextlib.nullcontext()

    def status(self) -> str:
        return self.state

    def cpu_times(self) -> SimpleNamespace:
        return SimpleNamespace(user=0.75 * self.seconds, system=0.25 * self.seconds)

    def memory_info(self) -> SimpleNamespace:
        return SimpleNamespace(rss=self.rss)

    def num_threads(self) -> int:
        return self.threads

    def children(self, recursive: bool) -> list[FakeProcess]:
        return list(self.descendants) if recursive else []


class FakeTree:
    """A worker and the processes that it started, measured every second."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = FakeProcess(1, rss=1000, threads=4)
        self.now = 0.0
        self.monitor = ProcessMonitor(1, 2, lambda: self.now)
        monkeypatch.setattr(psutil, "Process", {1: self.root}.__getitem__)
        self.monitor.sample()

    def after(self, seconds: float, used: dict[FakeProcess, float]) -> ProcessUsage | None:
        """Return the usage after a time in which those processes used so much CPU time."""
        self.now += seconds
        for process, its in used.items():
            process.seconds += its
        return self.monitor.sample()


@pytest.fixture
def tree(monkeypatch: pytest.MonkeyPatch) -> FakeTree:
    return FakeTree(monkeypatch)


def percent(usage: ProcessUsage | None) -> float:
    assert usage is not None
    return usage.cpu_percent


def test_a_hundred_percent_is_one_core(tree: FakeTree) -> None:
    usage = tree.after(2.0, {tree.root: 3.0})
    assert usage is not None
    assert (usage.cpu_percent, usage.cores_allowed, usage.rss_bytes, usage.num_threads) == (150.0, 2, 1000, 4)


def test_a_new_child_makes_no_spike(tree: FakeTree) -> None:
    """Its time before it was seen is not that of the last second; its memory and its threads count at once."""
    child = FakeProcess(2, rss=300, threads=2)
    child.seconds = 50.0
    tree.root.descendants = [child]
    first = tree.after(CHILDREN_REFRESH_SECONDS, {tree.root: 1.0})
    assert first is not None
    assert (first.cpu_percent, first.rss_bytes, first.num_threads) == (50.0, 1300, 6)
    assert first.pids == (1, 2)
    assert percent(tree.after(1.0, {tree.root: 0.5, child: 0.75})) == 125.0


def test_a_zombie_uses_nothing(tree: FakeTree) -> None:
    """It has ended, and its parent has not noticed yet."""
    child = FakeProcess(2, rss=300)
    tree.root.descendants = [child]
    tree.after(CHILDREN_REFRESH_SECONDS, {})
    assert percent(tree.after(1.0, {child: 0.5})) == 50.0
    child.state = psutil.STATUS_ZOMBIE
    usage = tree.after(1.0, {tree.root: 0.25})
    assert usage is not None
    assert (usage.cpu_percent, usage.rss_bytes, usage.pids) == (25.0, 1000, (1,))
    tree.root.state = psutil.STATUS_ZOMBIE
    assert tree.after(1.0, {}) is None


def test_a_process_that_can_not_be_read_is_left_out(tree: FakeTree) -> None:
    child = FakeProcess(2)
    tree.root.descendants = [child]
    tree.after(CHILDREN_REFRESH_SECONDS, {})

    def denied() -> Any:
        raise psutil.AccessDenied(2)

    child.cpu_times = denied  # type: ignore[method-assign]
    assert percent(tree.after(1.0, {tree.root: 1.0})) == 100.0


def test_two_samples_at_the_same_time_have_no_usage_between_them(tree: FakeTree) -> None:
    assert tree.after(0.0, {tree.root: 1.0}) is None
    assert percent(tree.after(1.0, {tree.root: 1.0})) == 200.0, "the time counts in the next sample"
