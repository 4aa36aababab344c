"""The limits of a container, from the files of a fake kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.monitors.cgroups import (
    cpu_quota,
    cpu_seconds,
    memory_limit,
    memory_used,
    oom_kills,
    split_cores,
    usable_core_ids,
    usable_cores,
)
from tests.support.fake_root import limited_to, write_files


def test_without_a_cgroup_there_is_no_limit(tmp_path: Path) -> None:
    assert (cpu_quota(tmp_path), memory_limit(tmp_path)) == (None, None)
    assert (cpu_seconds(tmp_path), memory_used(tmp_path), oom_kills(tmp_path)) == (None, None, None)
    assert usable_cores(tmp_path, [0, 1, 2]) == 3
    assert usable_cores(tmp_path, []) == 1


def test_the_tightest_of_a_cgroup_and_its_ancestors_counts(tmp_path: Path) -> None:
    """Its figures too: the CPU time and the memory of all that share the limit."""
    root = write_files(
        tmp_path,
        {
            "proc/self/cgroup": "0::/slice/job\n",
            "sys/fs/cgroup/slice/job/cpu.max": "max 100000\n",
            "sys/fs/cgroup/slice/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/slice/cpu.stat": "usage_usec 7000000\nuser_usec 1\n",
            "sys/fs/cgroup/slice/job/cpu.stat": "usage_usec 1000000\n",
            "sys/fs/cgroup/slice/job/memory.max": "2000000000\n",
            "sys/fs/cgroup/slice/memory.max": "3000000000\n",
            "sys/fs/cgroup/slice/job/memory.current": "1000000000\n",
            "sys/fs/cgroup/slice/memory.current": "1500000000\n",
            "sys/fs/cgroup/memory.max": "max\n",
        },
    )
    assert cpu_quota(root) == 1.5
    assert usable_cores(root, range(8)) == 2
    assert len(usable_core_ids(root, range(8))) == 2
    assert cpu_seconds(root) == 7.0
    assert (memory_limit(root), memory_used(root)) == (2_000_000_000, 1_000_000_000)


@pytest.mark.parametrize(
    ("quota", "cores"), [("50000 100000", 1), ("200000 100000", 2), ("200001 100000", 3), ("max 100000", 4)]
)
def test_a_part_of_a_core_is_a_core_and_no_quota_adds_any(quota: str, cores: int, tmp_path: Path) -> None:
    assert usable_cores(limited_to(tmp_path, quota), range(4)) == cores
    assert usable_cores(limited_to(tmp_path, quota), [5]) == 1


def test_the_reclaimable_file_cache_is_not_used_memory(tmp_path: Path) -> None:
    """The digits' files stay in the cache; the kernel drops them before a process is killed."""
    stat = "anon 600\nactive_file 50\ninactive_file 300\n"
    root = limited_to(tmp_path, memory=1000, memory_current="900\n", memory_stat=stat)
    assert (memory_limit(root), memory_used(root)) == (1000, 600)
    (root / "sys/fs/cgroup/memory.current").write_text("200\n")
    assert memory_used(root) == 0, "the two files are not read at the same moment"
    (root / "sys/fs/cgroup/memory.stat").unlink()
    assert memory_used(root) == 200


def test_cgroup_version_1_is_read(tmp_path: Path) -> None:
    root = write_files(
        tmp_path,
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/box\n5:memory:/box\n",
            "proc/self/mountinfo": "2 0 0:2 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "50000",
            "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/cpu,cpuacct/box/cpuacct.usage": "2500000000\n",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "9223372036854771712",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "8000",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "5000",
            "sys/fs/cgroup/memory/memory.stat": "inactive_file 1\ntotal_inactive_file 2000\n",
            "sys/fs/cgroup/memory/box/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
        },
    )
    assert (cpu_quota(root), usable_cores(root, range(8)), cpu_seconds(root)) == (0.5, 1, 2.5)
    assert (memory_limit(root), memory_used(root)) == (8000, 3000), "9223372036854771712 is no limit"
    assert oom_kills(root) == 3


def test_version_1_without_a_limit(tmp_path: Path) -> None:
    root = write_files(
        tmp_path,
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/\n5:memory:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        },
    )
    assert (cpu_quota(root), memory_limit(root)) == (None, None)


def test_both_versions_may_be_mounted_and_the_tighter_limit_counts(tmp_path: Path) -> None:
    root = write_files(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/box\n0::/box\n",
            "proc/self/mountinfo": (
                "1 0 0:1 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw\n"
                "2 0 0:2 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
            ),
            "sys/fs/cgroup/unified/box/memory.max": "5000\n",
            "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "4000\n",
        },
    )
    assert memory_limit(root) == 4000


@pytest.mark.parametrize(
    ("cgroup", "mounted", "mount_point", "directory"),
    [
        ("/docker/abc", "/docker/abc", "/sys/fs/cgroup", "sys/fs/cgroup"),  # a container that sees the host's path
        ("/docker/abc/job", "/docker/abc", "/sys/fs/cgroup", "sys/fs/cgroup/job"),
        ("/job", "/", "/cg\\040roup", "cg roup/job"),
        ("/../other", "/", "/sys/fs/cgroup", "sys/fs/cgroup"),  # outside of this container's namespace
        ("/elsewhere", "/docker/abc", "/sys/fs/cgroup", "sys/fs/cgroup"),
    ],
)
def test_the_mount_point_says_where_a_cgroups_files_are(
    cgroup: str, mounted: str, mount_point: str, directory: str, tmp_path: Path
) -> None:
    root = write_files(
        tmp_path,
        {
            "proc/self/cgroup": f"0::{cgroup}\n",
            "proc/self/mountinfo": (
                "20 1 0:19 / /proc rw,nosuid - proc proc rw\n"
                f"35 24 0:30 {mounted} {mount_point} rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
            ),
            f"{directory}/memory.max": "5000\n",
            f"{directory}/memory.events": "low 0\noom 4\noom_kill 2\n",
            "sys/fs/other/memory.max": "1\n",
        },
    )
    assert (memory_limit(root), oom_kills(root)) == (5000, 2)


def test_processes_killed_for_memory_are_counted_in_the_innermost_cgroup(tmp_path: Path) -> None:
    """Those of other containers count further out."""
    root = write_files(
        tmp_path,
        {
            "proc/self/cgroup": "0::/slice/job\n",
            "sys/fs/cgroup/slice/job/memory.events": "oom_kill 1\n",
            "sys/fs/cgroup/slice/memory.events": "oom_kill 9\n",
        },
    )
    assert oom_kills(root) == 1


def with_siblings(root: Path, **siblings: str) -> Path:
    """Write which hardware threads share a physical core with each core."""
    return write_files(
        root,
        {f"sys/devices/system/cpu/{cpu}/topology/thread_siblings_list": f"{ids}\n" for cpu, ids in siblings.items()},
    )


@pytest.mark.parametrize("lists", [("0,2", "1,3"), ("0,2-2", "1-1,3")])
def test_hardware_threads_of_one_core_stand_side_by_side(lists: tuple[str, str], tmp_path: Path) -> None:
    """Two workers then share no physical core."""
    root = with_siblings(tmp_path, cpu0=lists[0], cpu1=lists[1], cpu2=lists[0], cpu3=lists[1])
    ids = usable_core_ids(root, [0, 1, 2, 3])
    assert ids == (0, 2, 1, 3)
    assert split_cores(ids, 2) == ((0, 2), (1, 3))
    limited_to(root, "200000 100000")
    assert usable_core_ids(root, [0, 1, 2, 3]) == (0, 1), "under a quota, one thread of each core comes first"
    limited_to(root, "300000 100000")
    assert usable_core_ids(root, [0, 1, 2, 3]) == (0, 2, 1)


def test_a_range_of_siblings_is_read_and_an_unknown_form_is_none(tmp_path: Path) -> None:
    root = with_siblings(tmp_path, cpu0="0-1", cpu1="0-1", cpu2="2-3", cpu3="2-3", cpu4="?")
    limited_to(root, "200000 100000")
    assert usable_core_ids(root, [0, 1, 2, 3, 4]) == (0, 2)
    assert usable_core_ids(root, [3, 4]) == (3, 4)
    four_threads = {f"cpu{core}": "0-3" if core < 4 else "4-7" for core in range(8)}
    with_siblings(root, **four_threads)
    limited_to(root, "400000 100000")
    assert usable_core_ids(root, range(8)) == (0, 1, 4, 5)


@pytest.mark.parametrize(
    ("cores", "workers", "shares"),
    [
        ([0, 1], 2, ((0,), (1,))),
        ([0, 1, 2, 3], 2, ((0, 1), (2, 3))),
        ([0, 1, 2], 2, ((0,), (1,))),
        ([5], 2, ((5,), (5,))),
        ([0, 1, 2], 1, ((0, 1, 2),)),
    ],
)
def test_workers_get_equally_many_cores(cores: list[int], workers: int, shares: tuple[tuple[int, ...], ...]) -> None:
    assert split_cores(cores, workers) == shares


@pytest.mark.parametrize(("cores", "workers"), [([], 1), ([0], 0)])
def test_nothing_can_not_be_shared(cores: list[int], workers: int) -> None:
    with pytest.raises(ValueError, match="can't split"):
        split_cores(cores, workers)
