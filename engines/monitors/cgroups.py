"""How many cores and how much memory this process may really use: affinity and cgroup limits.

`os.cpu_count()` and psutil ignore cgroups (cpython#149452, psutil#1122), so in a container they name cores and memory that
belong to others. Read here: `cpu.max`, `memory.max`, `memory.current` (cgroup v2) or `cpu.cfs_quota_us`,
`memory.limit_in_bytes`, `memory.usage_in_bytes` (v1), of the process's own cgroup and of all that contain it, for the tightest
limit holds. Standard library only: a worker reads this too. An unreadable file is no limit; nothing here raises for one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

ROOT = Path("/")
UNLIMITED_BYTES = 2**60
"""cgroup v1 writes "no limit" as a number just under 2**63."""


def usable_cores(root: Path = ROOT, affinity: Sequence[int] | None = None) -> int:
    """How many cores this process can keep busy: its affinity, cut to the cgroup's CPU quota; at least 1."""
    allowed = len(affinity_ids() if affinity is None else affinity)
    quota = cpu_quota(root)
    return max(1, allowed if quota is None else min(allowed, math.ceil(quota)))


def usable_core_ids(root: Path = ROOT, affinity: Sequence[int] | None = None) -> tuple[int, ...]:
    """The ids of `usable_cores()` cores, hardware threads of one physical core side by side.

    Under a quota, whole physical cores are taken first. A quota bounds time and not place: where it is what binds, limiting
    the number of threads is kinder to the neighbours than pinning to these ids.
    """
    ids = affinity_ids() if affinity is None else tuple(affinity)
    siblings = {core: _siblings(core, root) for core in ids}
    by_thread = sorted(ids, key=lambda core: (siblings[core].index(core), siblings[core]))
    return tuple(sorted(by_thread[: usable_cores(root, ids)], key=lambda core: (siblings[core][0], core)))


def split_cores(core_ids: Sequence[int], workers: int) -> tuple[tuple[int, ...], ...]:
    """Give every worker equally many cores; what doesn't divide stays free for the app, for an unequal race is no race.

    With fewer cores than workers, all workers share all cores.
    """
    if workers < 1 or not core_ids:
        raise ValueError(f"can't split {len(core_ids)} cores between {workers} workers")
    share = len(core_ids) // workers
    if share == 0:
        return (tuple(core_ids),) * workers
    return tuple(tuple(core_ids[worker * share : (worker + 1) * share]) for worker in range(workers))


def affinity_ids() -> tuple[int, ...]:
    """The cores that the scheduler may put this process on."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def cpu_quota(root: Path = ROOT) -> float | None:
    """How many cores' worth of time the cgroups grant, 1.5 for one and a half; None when unlimited."""
    found = _tightest("cpu", _quota, root)
    return found and found[0]


def cpu_seconds(root: Path = ROOT) -> float | None:
    """CPU time spent so far by the cgroup that `cpu_quota()` speaks of; None when there is none, or it does not tell."""
    found = _tightest("cpu", _quota, root)
    if found is None:
        return None
    microseconds = _stat(found[1] / "cpu.stat", "usage_usec")
    if microseconds is not None:
        return microseconds / 1e6
    nanoseconds = _integer(found[1] / "cpuacct.usage")
    return None if nanoseconds is None else nanoseconds / 1e9


def memory_limit(root: Path = ROOT) -> int | None:
    """The tightest cgroup memory limit in bytes; None when unlimited."""
    found = _tightest("memory", _memory_max, root)
    return found and int(found[0])


def memory_used(root: Path = ROOT) -> int | None:
    """What counts against `memory_limit()`, less the file cache that the kernel gives back first; None when unlimited."""
    found = _tightest("memory", _memory_max, root)
    if found is None:
        return None
    directory = found[1]
    for usage_name, cache_key in (
        ("memory.current", "inactive_file"),
        ("memory.usage_in_bytes", "total_inactive_file"),
    ):
        usage = _integer(directory / usage_name)
        if usage is not None:
            return max(0, usage - (_stat(directory / "memory.stat", cache_key) or 0))
    return None


def oom_kills(root: Path = ROOT) -> int | None:
    """How many processes of this cgroup, and of those in it, were killed because memory ran out; None when it does not tell."""
    for directory in _cgroups("memory", root):
        for name in ("memory.events", "memory.oom_control"):
            killed = _stat(directory / name, "oom_kill")
            if killed is not None:
                return killed
    return None


def _tightest(controller: str, read_limit: Callable[[Path], float | None], root: Path) -> tuple[float, Path] | None:
    limits = [(limit, at) for at in _cgroups(controller, root) if (limit := read_limit(at)) is not None]
    return min(limits, key=lambda found: found[0], default=None)


def _cgroups(controller: str, root: Path) -> Iterator[Path]:
    """The directories of the cgroups around this process, innermost first: version 2, then version 1."""
    paths: dict[str, str] = {}
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, names_and_path = line.partition(":")
        names, _, path = names_and_path.partition(":")
        paths.update((name, path) for name in names.split(","))
    mounts = _mounts(root)
    for kind, usual_mount in (("", "/sys/fs/cgroup"), (controller, f"/sys/fs/cgroup/{controller}")):
        if kind not in paths:
            continue
        mount_root, mount_point = mounts.get(kind, ("/", usual_mount))
        mount = root / mount_point.lstrip("/")
        inner = PurePosixPath(paths[kind])
        below = inner.is_relative_to(mount_root) and ".." not in inner.parts
        directory = mount / inner.relative_to(mount_root) if below else mount
        yield directory
        while directory != mount:
            directory = directory.parent
            yield directory


def _mounts(root: Path) -> dict[str, tuple[str, str]]:
    """Controller ("" for version 2) -> (which cgroup is mounted, where); a container sees but a part of the tree."""
    mounts: dict[str, tuple[str, str]] = {}
    for line in _read(root / "proc/self/mountinfo").splitlines():
        fields, _, filesystem = line.partition(" - ")
        places, kind = fields.split()[3:5], filesystem.split()
        if len(places) < 2 or not kind or kind[0] not in ("cgroup", "cgroup2"):
            continue
        place = (places[0].replace("\\040", " "), places[1].replace("\\040", " "))
        for controller in ("",) if kind[0] == "cgroup2" else kind[-1].split(","):
            mounts.setdefault(controller, place)
    return mounts


def _quota(directory: Path) -> float | None:
    words = _read(directory / "cpu.max").split() or [
        _read(directory / name).strip() for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    ]
    try:
        quota, period = int(words[0]), int(words[1])
    except (ValueError, IndexError):  # "max"
        return None
    return quota / period if quota > 0 and period > 0 else None


def _memory_max(directory: Path) -> int | None:
    limit = _integer(directory / "memory.max")
    if limit is None:
        limit = _integer(directory / "memory.limit_in_bytes")
    return limit if limit is not None and 0 < limit < UNLIMITED_BYTES else None


def _siblings(core: int, root: Path) -> tuple[int, ...]:
    """The hardware threads of the physical core that `core` is one of: "0,64" or "0-1"."""
    text = _read(root / f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list").strip()
    found: set[int] = {core}
    try:
        for part in filter(None, text.split(",")):
            first, _, last = part.partition("-")
            found.update(range(int(first), int(last or first) + 1))
    except ValueError:
        return (core,)
    return tuple(sorted(found))


def _stat(path: Path, key: str) -> int | None:
    for line in _read(path).splitlines():
        name, _, value = line.partition(" ")
        if name == key and value.strip().isdigit():
            return int(value)
    return None


def _integer(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
