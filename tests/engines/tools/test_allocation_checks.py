"""The doctor compares what a cluster allocated with what this process can use: a table of jobs, cgroups and MIG slices."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from engines.messages.events import GpuReading
from engines.monitors.cgroups import device_is_listed
from engines.monitors.gpu import UNDER_MIG, GpuMonitor
from engines.tools import allocation_checks
from engines.tools.allocation_checks import (
    allocation_findings,
    closed_findings,
    closed_gpus,
    slice_findings,
    slurm_findings,
    usable_gpus,
)
from engines.tools.finding import Finding
from tests.support.fake_gpu_box import FakeGpuBox
from tests.support.fake_gpus import fake_gpu

JOB = {"SLURM_JOB_ID": "4711", "SLURMD_NODENAME": "gpu07"}
NOW = 1_000_000.0


def rows(environment: Mapping[str, str], *, cores: int = 8, opened: int = 0, usable: int = 0) -> dict[str, Finding]:
    """Return the findings about a job by what they are about, without that of the job itself."""
    job, *others = slurm_findings(JOB | dict(environment), cores, opened, usable, NOW)
    assert (job.subject, job.state, job.text) == ("SLURM", "ok", "job 4711 on gpu07")
    assert len({row.subject for row in others}) == len(others)
    return {row.subject.removeprefix("SLURM "): row for row in others}


def test_without_a_job_nothing_is_shown() -> None:
    assert list(slurm_findings({"SLURM_CPUS_ON_NODE": "8"}, 4, 0, 0, NOW)) == []
    assert rows({}) == {}
    assert list(allocation_findings({}, GpuMonitor(FakeGpuBox(2)))) == []


def test_a_shell_that_holds_an_allocation_is_not_inside_it() -> None:
    """`salloc` starts a shell on the login node: its cores and GPUs are not the job's."""
    (row,) = slurm_findings({"SLURM_JOB_ID": "4711", "SLURM_CPUS_ON_NODE": "8"}, 128, 0, 0, NOW)
    assert (row.state, row.fix) == ("note", "srun --pty mnist-tui")
    assert "runs outside it" in row.text


@pytest.mark.parametrize(
    ("environment", "cores", "state", "text", "fix"),
    [
        ({"SLURM_CPUS_ON_NODE": "8"}, 8, "ok", "8 CPUs allocated on this node, 8 usable", ""),
        ({"SLURM_CPUS_PER_TASK": "8"}, 8, "ok", "8 CPUs allocated", ""),
        # one task of four has its own two CPUs, and the batch script has all eight
        ({"SLURM_CPUS_ON_NODE": "8", "SLURM_CPUS_PER_TASK": "2"}, 2, "ok", "8 CPUs allocated on this node, 2 usable", ""),
        ({"SLURM_CPUS_ON_NODE": "8", "SLURM_NTASKS": "8"}, 1, "ok", "8 CPUs allocated on this node, 1 usable", ""),
        (
            {"SLURM_CPUS_ON_NODE": "8", "SLURM_CPUS_PER_TASK": "8"}, 1,
            "note", "8 CPUs are allocated, but this process may use only 1", "srun --cpus-per-task=8 --pty mnist-tui",
        ),
        ({"SLURM_CPUS_ON_NODE": "8", "SLURM_NTASKS": "1"}, 4, "note", "only 4", "srun --cpus-per-task=8 --pty mnist-tui"),
        ({"SLURM_CPUS_ON_NODE": "8"}, 64, "note", "8 CPUs allocated, but this process may use 64", "mnist-tui --threads 4"),
        ({"SLURM_CPUS_ON_NODE": "1"}, 2, "note", "1 CPU allocated, but", "mnist-tui --threads 1"),
    ],
)  # fmt: skip
def test_cores(environment: dict[str, str], cores: int, state: str, text: str, fix: str) -> None:
    row = rows(environment, cores=cores)["cores"]
    assert (row.state, text in row.text, row.fix) == (state, True, fix), row


@pytest.mark.parametrize("cores", ["", "2(x3)", "many", "-1", "²"])
def test_a_variable_that_is_no_number_is_ignored(cores: str) -> None:
    names = ("SLURM_CPUS_ON_NODE", "SLURM_CPUS_PER_TASK", "SLURM_MEM_PER_NODE", "SLURM_JOB_END_TIME", "SLURM_JOB_GPUS")
    assert rows(dict.fromkeys(names, cores)) == {}


@pytest.mark.parametrize(
    ("environment", "gigabytes"),
    [
        ({"SLURM_MEM_PER_NODE": "32768"}, "34.4 GB"),
        ({"SLURM_MEM_PER_CPU": "4096", "SLURM_CPUS_ON_NODE": "8"}, "34.4 GB"),
        ({"SLURM_MEM_PER_NODE": "0"}, ""),
        ({"SLURM_MEM_PER_CPU": "4096"}, ""),
    ],
)
def test_memory_is_in_mebibytes(environment: dict[str, str], gigabytes: str) -> None:
    found = rows(environment)
    assert ("memory" in found) == bool(gigabytes)
    assert not gigabytes or found["memory"].text.startswith(f"{gigabytes} allocated")


@pytest.mark.parametrize(
    ("seconds", "state", "text"),
    [
        (3 * 3600 + 725, "ok", "the job ends in 3 h 12 min;"),
        (900, "ok", "in 15 min;"),
        (899, "note", "in 14 min;"),
        (-60, "note", "in 0 min;"),
    ],
)
def test_the_end_of_the_job(seconds: int, state: str, text: str) -> None:
    row = rows({"SLURM_JOB_END_TIME": str(int(NOW) + seconds)})["time"]
    assert (row.state, text in row.text) == (state, True), row
    assert row.fix == ("mnist-tui train --resume RUN" if state == "note" else "")


@pytest.mark.parametrize(
    ("environment", "opened", "usable", "state", "text", "fix"),
    [
        ({"SLURM_JOB_GPUS": "2,3"}, 2, 2, "ok", "2 GPUs allocated (2,3 of the node), as many usable", ""),
        ({"SLURM_JOB_GPUS": "0-3"}, 4, 4, "ok", "4 GPUs allocated (0,1,2,3 of the node)", ""),
        ({"SLURM_GPUS_ON_NODE": "2"}, 2, 2, "ok", "2 GPUs allocated, as many usable", ""),
        # a step has fewer GPUs than its job
        ({"SLURM_JOB_GPUS": "2,3", "SLURM_STEP_GPUS": "3"}, 1, 1, "ok", "1 GPU allocated (3 of the node)", ""),
        ({"SLURM_JOB_GPUS": "2,3"}, 8, 8, "note", "can use 8", "export CUDA_VISIBLE_DEVICES=2,3"),
        ({"SLURM_GPUS_ON_NODE": "2"}, 8, 8, "note", "can use 8", "nvidia-smi -L"),
        ({"SLURM_JOB_GPUS": "2,3"}, 1, 1, "note", "the driver offers only 1", "nvidia-smi -L"),
        ({"SLURM_JOB_GPUS": "2,3"}, 0, 0, "note", "the driver offers only 0", "nvidia-smi -L"),
        (
            {"SLURM_JOB_GPUS": "2,3", "CUDA_VISIBLE_DEVICES": "0"}, 2, 1,
            "note", "only 1 made visible by CUDA_VISIBLE_DEVICES=0", "unset CUDA_VISIBLE_DEVICES",
        ),
        (
            {"SLURM_JOB_GPUS": "2,3", "CUDA_VISIBLE_DEVICES": "0"}, 8, 1,
            "note", "only 1 made visible by CUDA_VISIBLE_DEVICES=0", "export CUDA_VISIBLE_DEVICES=2,3",
        ),
        ({}, 8, 8, "note", "SLURM gave this job no GPU, but this process can use 8", "mnist-tui --device cpu"),
        ({"CUDA_VISIBLE_DEVICES": "0"}, 8, 1, "", "", ""),
        ({}, 0, 0, "", "", ""),
        ({"SLURM_JOB_GPUS": "0;rm -rf"}, 0, 0, "", "", ""),
    ],
)  # fmt: skip
def test_gpus(environment: dict[str, str], opened: int, usable: int, state: str, text: str, fix: str) -> None:
    row = rows(environment, opened=opened, usable=usable).get("GPUs", Finding("", "", ""))
    assert (row.state, text in row.text, row.fix) == (state, True, fix), row


def box(tmp_path: Path, *existing: int) -> Path:
    """Make a root folder with NVIDIA's device nodes, as empty files."""
    (tmp_path / "dev").mkdir()
    for name in ("ctl", *existing):
        (tmp_path / f"dev/nvidia{name}").touch()
    return tmp_path


def test_gpus_that_can_not_be_opened_have_a_reason(tmp_path: Path) -> None:
    """The index that NVML gives and the number of the node differ; a GPU without a number is not tried."""
    root = box(tmp_path, 0, 2, 3, 4)
    refused = {"nvidia2": errno.EPERM, "nvidia3": errno.EACCES, "nvidia4": errno.EIO}

    def open_node(node: Path) -> None:
        code = refused.get(node.name, 0 if node.exists() else errno.ENOENT)
        if code:
            raise OSError(code, os.strerror(code))

    minors = {0: 0, 1: 2, 2: 3, 3: 4, 4: 7, 5: None}
    assert closed_gpus(minors, root, open_node) == {
        1: "this process's cgroup forbids it",
        2: "the file's permissions forbid it",
        3: "Input/output error",
        4: "there is no such device here",
    }
    assert closed_gpus({0: 0, 1: 9}, root) == {1: "there is no such device here"}, "really opened"
    (root / "dev/nvidiactl").unlink()
    assert closed_gpus({0: 9}, root) == {}, "as under WSL"


def test_a_devices_list_names_the_refusal(tmp_path: Path) -> None:
    root = with_devices_list(box(tmp_path, 0), "c 1:3 rwm\n")

    def refuse(node: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    assert closed_gpus({0: 0}, root, refuse) == {0: "this process's cgroup forbids it (devices.list)"}


def with_devices_list(root: Path, text: str) -> Path:
    """Put this process into a cgroup of version 1 with that list."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text("4:devices:/slurm/job_4711\n")
    folder = root / "sys/fs/cgroup/devices/slurm/job_4711"
    folder.mkdir(parents=True)
    (folder / "devices.list").write_text(text)
    return root


@pytest.mark.parametrize(
    ("text", "listed"),
    [
        ("a *:* rwm\n", True),
        ("c 1:3 rwm\nc 195:2 rw\n", True),
        ("c 195:* rwm\n", True),
        ("c 195:2 r\n", False),
        ("b 195:2 rwm\n", False),
        ("c 195:0 rwm\n", False),
        ("", None),
    ],
)
def test_devices_of_a_cgroup(text: str, listed: bool | None, tmp_path: Path) -> None:
    assert device_is_listed(195, 2, with_devices_list(tmp_path, text)) is listed


def test_without_a_cgroup_no_device_is_judged(tmp_path: Path) -> None:
    assert device_is_listed(195, 2, tmp_path) is None


CGROUP = "this process's cgroup forbids it"


@pytest.mark.parametrize(
    ("closed", "in_a_job", "states", "text", "fix"),
    [
        ({}, False, [], "", ""),
        (
            {1: CGROUP},
            False,
            ["note"],
            f"lists GPU 1, but {CGROUP}: neither framework can use it",
            "ls -l /dev/nvidia*",
        ),
        ({0: CGROUP, 1: CGROUP, 3: CGROUP}, True, ["ok"], "lists GPU 0, 1, 3, but", ""),
        ({i: CGROUP for i in range(4)}, True, ["note"], "can use them", "srun --gpus=1 --pty mnist-tui"),
        ({0: CGROUP, 1: "Input/output error"}, False, ["note", "note"], "GPU 0, but", "ls -l /dev/nvidia*"),
    ],
)
def test_a_row_for_each_reason(closed: dict[int, str], in_a_job: bool, states: list[str], text: str, fix: str) -> None:
    """In a job, the GPUs of others are closed as they should be."""
    found = list(closed_findings(closed, 4, in_a_job))
    assert [row.state for row in found] == states
    assert not found or (text in found[0].text and found[0].fix == fix), found


def sliced(index: int, *uuids: str) -> GpuReading:
    return replace(fake_gpu(index=index), slices=uuids, missing=(("utilization_percent", UNDER_MIG),))


@pytest.mark.parametrize(
    ("visible", "closed", "count"),
    [
        (None, (), 3),
        (None, (0,), 2),
        ("0,2", (), 2),
        ("0,9,2", (), 1),
        ("2,0", (2,), 0),
        ("0", (0, 1), 1),
        ("MIG-b", (), 1),
        ("", (), 0),
    ],
)
def test_gpus_that_cuda_can_use(visible: str | None, closed: tuple[int, ...], count: int) -> None:
    readings = [fake_gpu(index=0), sliced(1, "MIG-a", "MIG-b"), fake_gpu(index=2)]
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert usable_gpus(readings, closed, environment) == count


@pytest.mark.parametrize(
    ("gpu", "visible", "state", "text", "fix"),
    [
        (fake_gpu(), "", "", "", ""),
        (sliced(0), "", "note", "without a slice", "sudo nvidia-smi mig -i 0 -lgip"),
        (
            sliced(1, "MIG-a", "MIG-b"), "",
            "note", "GPU 1 is divided into 2 slices: MIG-a (1g.10gb), MIG-b; a process", "export CUDA_VISIBLE_DEVICES=MIG-a",
        ),
        (sliced(0, "MIG-a", "MIG-b"), "0", "note", "by its UUID", "export CUDA_VISIBLE_DEVICES=MIG-a"),
        (sliced(1, "MIG-a", "MIG-b"), "0", "ok", "GPU 1 is divided into 2 slices: MIG-a (1g.10gb), MIG-b", ""),
        (sliced(1, "MIG-a", "MIG-b"), "MIG-b", "ok", "cuda:0 is MIG-b", ""),
        (sliced(1, "MIG-a"), "MIG-c", "ok", "1 slice: MIG-a (1g.10gb)", ""),
    ],
)  # fmt: skip
def test_mig_slices(gpu: GpuReading, visible: str, state: str, text: str, fix: str) -> None:
    found = list(slice_findings([gpu], {"MIG-a": "1g.10gb"}, {"CUDA_VISIBLE_DEVICES": visible}))
    row = found[0] if found else Finding("", "", "")
    assert (row.state, text in row.text, row.fix) == (state, True, fix), row
    assert ("cuda:0" in row.text) == (visible == "MIG-b")


def test_only_the_first_of_two_divided_gpus_has_advice() -> None:
    found = list(slice_findings([sliced(0, "MIG-a"), sliced(1, "MIG-b")], {}, {}))
    assert [row.fix for row in found] == ["export CUDA_VISIBLE_DEVICES=MIG-a", ""]


class FakeSlicedBox(FakeGpuBox):
    """A fake box whose first GPU is divided into two slices."""

    def __init__(self) -> None:
        super().__init__(2)
        self.mig = {0}

    def nvmlDeviceGetMaxMigDeviceCount(self, gpu: int) -> int:
        return 3

    def nvmlDeviceGetMigDeviceHandleByIndex(self, gpu: int, index: int) -> str:
        if index == 1:
            raise self.NVMLError
        return f"slice {index}"

    def nvmlDeviceGetUUID(self, handle: object) -> str:
        return f"MIG-{handle}" if isinstance(handle, str) else f"GPU-{handle}"

    def nvmlDeviceGetName(self, handle: object) -> bytes:
        return b"NVIDIA Fake MIG 1g.10gb" if isinstance(handle, str) else b"NVIDIA Fake"

    def nvmlDeviceGetMinorNumber(self, handle: int) -> int:
        return handle + 4


def test_all_of_it_from_a_fake_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job with one GPU, whose box has two: one is another job's, and one is divided."""
    tried = []

    def closed(minors: dict[int, int | None]) -> dict[int, str]:
        tried.append(minors)
        return {1: CGROUP}

    monkeypatch.setattr(allocation_checks, "closed_gpus", closed)
    found = list(allocation_findings(JOB | {"SLURM_JOB_GPUS": "4"}, GpuMonitor(FakeSlicedBox())))
    assert tried == [{0: 4, 1: 5}]
    assert [(row.subject, row.state) for row in found] == [
        ("SLURM", "ok"),
        ("SLURM GPUs", "ok"),
        ("GPU access", "ok"),
        ("MIG", "note"),
    ]
    assert "MIG-slice 0 (MIG 1g.10gb), MIG-slice 2 (MIG 1g.10gb)" in found[-1].text
