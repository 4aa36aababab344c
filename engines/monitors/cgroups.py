"""Find how many cores and how much memory this process may use: its affinity and its cgroup limits.

`os.cpu_count()` and psutil ignore cgroups (cpython#149452, psutil#1122), so in a container they report cores and memory that
belong to others. This module reads `cpu.max`, `memory.max`, `memory.current` (cgroup v2) or `cpu.cfs_quota_us`,
`memory.limit_in_bytes`, `memory.usage_in_bytes` (v1), of the process's own cgroup and of all cgroups around it, because the
tightest limit applies. Standard library only: a worker reads this too. An unreadable file counts as no limit and raises nothing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

ROOT = Path("/")
UNLIMITED_BYTES = 2**60
"""The limit from which on there is none: cgroup v1 writes "no limit" as a number just under 2**63."""


def usable_cores(root: Path = ROOT, affinity: Sequence[int] | None = None) -> int:
    """Return how many cores this process can use: those of its affinity, limited by the cgroup's CPU quota; at least 1."""
    allowed = len(affinity_ids() if affinity is None else affinity)
    quota = cpu_quota(root)
    return max(1, allowed if quota is None else min(allowed, math.ceil(quota)))


def usable_core_ids(root: Path = ROOT, affinity: Sequence[int] | None = None) -> tuple[int, ...]:
    """Return the ids of `usable_cores()` cores, with the hardware threads of one physical core side by side.

    Under a quota, one hardware thread of each physical core comes first. A quota limits time and not place: where it is the tighter
    limit, fewer threads disturb other processes less than pinning to these ids does.
    """
    ids = affinity_ids() if affinity is None else tuple(affinity)
    siblings = {core: _siblings(core, root) for core in ids}
    by_thread = sorted(ids, key=lambda core: (siblings[core].index(core), siblings[core]))
    return tuple(sorted(by_thread[: usable_cores(root, ids)], key=lambda core: (siblings[core][0], core)))


def split_cores(core_ids: Sequence[int], workers: int) -> tuple[tuple[int, ...], ...]:
    """Divide cores equally between workers, so that a race is fair; a remainder stays free for the app.

    With fewer cores than workers, all workers share all cores. Raises ValueError without cores or workers.
    """
    if workers < 1 or not core_ids:
        raise ValueError(f"can't split {len(core_ids)} cores between {workers} workers")
    share = len(core_ids) // workers
    if share == 0:
        return (tuple(core_ids),) * workers
    return tuple(tuple(core_ids[worker * share : (worker + 1) * share]) for worker in range(workers))


def affinity_ids() -> tuple[int, ...]:
    """Return the cores on which the scheduler may run this process."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def cpu_quota(root: Path = ROOT) -> float | None:
    """Return the CPU quota in cores, 1.5 for one and a half; None when unlimited."""
    tightest = _tightest("cpu", _quota, root)
    return tightest and tightest[0]


def cpu_seconds(root: Path = ROOT) -> float | None:
    """Return the CPU time used so far by the cgroup with the tightest quota; None without a quota or a figure."""
    tightest = _tightest("cpu", _quota, root)
    if tightest is None:
        return None
    microseconds = _stat(tightest[1] / "cpu.stat", "usage_usec")
    if microseconds is not None:
        return microseconds / 1e6
    nanoseconds = _integer(tightest[1] / "cpuacct.usage")
    return None if nanoseconds is None else nanoseconds / 1e9


def memory_limit(root: Path = ROOT) -> int | None:
    """Return the tightest cgroup memory limit in bytes; None when unlimited."""
    tightest = _tightest("memory", _memory_max, root)
    return tightest and int(tightest[0])


def memory_used(root: Path = ROOT) -> int | None:
    """Return the bytes that count against `memory_limit()`, without the reclaimable file cache; None when unlimited."""
    tightest = _tightest("memory", _memory_max, root)
    if tightest is None:
        return None
    directory = tightest[1]
    for usage_name, cache_key in (
        ("memory.current", "inactive_file"),
        ("memory.usage_in_bytes", "total_inactive_file"),
    ):
        usage = _integer(directory / usage_name)
        if usage is not None:
            return max(0, usage - (_stat(directory / "memory.stat", cache_key) or 0))
    return None


def oom_kills(root: Path = ROOT) -> int | None:
    """Return how many processes of this cgroup and those below it were killed because memory ran out; None without a figure."""
    for directory in _cgroups("memory", root):
        for name in ("memory.events", "memory.oom_control"):
            killed = _stat(directory / name, "oom_kill")
            if killed is not None:
                return killed
    return None


def device_is_listed(major: int, minor: int, root: Path = ROOT) -> bool | None:
    """Return whether this cgroup's devices.list has the character device; None where there is no list, as in version 2.

    A line is "TYPE MAJOR:MINOR ACCESS", such as "c 195:* rw"; type "a" is every device (kernel, "Device Whitelist Controller").
    """
    for directory in _cgroups("devices", root):
        lines = [line.split() for line in _read(directory / "devices.list").splitlines()]
        if not lines:
            continue
        return any(
            kind == "a" or (kind == "c" and "rw" in access and numbers in _device_patterns(major, minor))
            for kind, numbers, access in (line for line in lines if len(line) == 3)
        )
    return None


def _device_patterns(major: int, minor: int) -> tuple[str, ...]:
    return (f"{major}:{minor}", f"{major}:*", f"*:{minor}", "*:*")


def _tightest(controller: str, read_limit: Callable[[Path], float | None], root: Path) -> tuple[float, Path] | None:
    """Return the tightest limit and the directory of its cgroup; None when unlimited."""
    folders = _cgroups(controller, root)
    limits = [(limit, folder) for folder in folders if (limit := read_limit(folder)) is not None]
    return min(limits, key=lambda pair: pair[0], default=None)


def _cgroups(controller: str, root: Path) -> Iterator[Path]:
    """Yield the directories of the cgroups around this process, innermost first: version 2, then version 1."""
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
    """Return controller ("" for version 2) -> (mounted cgroup, mount point); a container sees only a part of the tree."""
    mounts: dict[str, tuple[str, str]] = {}
    for line in _read(root / "proc/self/mountinfo").splitlines():
        fields, _, filesystem = line.partition(" - ")
        paths, kind = fields.split()[3:5], filesystem.split()
        if len(paths) < 2 or not kind or kind[0] not in ("cgroup", "cgroup2"):
            continue
        mount = (paths[0].replace("\\040", " "), paths[1].replace("\\040", " "))
        for controller in ("",) if kind[0] == "cgroup2" else kind[-1].split(","):
            mounts.setdefault(controller, mount)
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
    """Return all hardware threads of the physical core that `core` belongs to: the file holds "0,64" or "0-1"."""
    text = _read(root / f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list").strip()
    siblings: set[int] = {core}
    try:
        for part in filter(None, text.split(",")):
            first, _, last = part.partition("-")
            siblings.update(range(int(first), int(last or first) + 1))
    except ValueError:
        return (core,)
    return tuple(sorted(siblings))


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
