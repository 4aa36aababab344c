"""The doctor's checks of what a cluster gives this process: SLURM's allocation, GPUs that can't be opened, and MIG slices.

The variables of SLURM are those of its manual pages sbatch(1) and srun(1), "OUTPUT ENVIRONMENT VARIABLES". Nothing is reported
where there is no job, every GPU can be opened, and MIG is off.
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from engines.gpu_selection import matches_id
from engines.messages.events import GpuReading
from engines.monitors.cgroups import ROOT, affinity_ids, device_is_listed
from engines.monitors.gpu import UNDER_MIG, GpuMonitor
from engines.plural import plural
from engines.tools.finding import Finding

SOON_SECONDS = 900.0
"""A job that ends within this time is pointed out."""


def allocation_findings(environment: Mapping[str, str], monitor: GpuMonitor | None = None) -> Iterator[Finding]:
    """Report SLURM's allocation beside what this process can use, GPUs that can't be opened, and MIG slices."""
    monitor = monitor or GpuMonitor()
    try:
        readings = monitor.sample().readings
        minors = {gpu.index: monitor.minor_number(gpu.index) for gpu in readings}
        names = {uuid: name for gpu in readings if gpu.slices for uuid, name in monitor.slice_names(gpu.index).items()}
    finally:
        monitor.close()
    closed = closed_gpus(minors)
    opened = sum(gpu.index not in closed for gpu in readings)
    usable = usable_gpus(readings, closed, environment)
    yield from slurm_findings(environment, len(affinity_ids()), opened, usable, time.time())
    yield from closed_findings(closed, len(readings), "SLURM_JOB_ID" in environment)
    yield from slice_findings(readings, names, environment)


# SLURM


def slurm_findings(
    environment: Mapping[str, str], cores: int, opened_gpus: int, usable_gpus: int, now: float
) -> Iterator[Finding]:
    """Compare SLURM's allocation with the cores and GPUs that this process can use; `now` is in seconds since 1970.

    `usable_gpus` are those of the `opened_gpus` that CUDA_VISIBLE_DEVICES does not hide.
    """
    job, node = environment.get("SLURM_JOB_ID"), environment.get("SLURMD_NODENAME")
    if not job:
        return
    if not node:
        text = f"job {job} is allocated, but this shell runs outside it: cores and GPUs are those of this machine"
        task = _number(environment, "SLURM_CPUS_PER_TASK")
        yield Finding("SLURM", "note", text, f"srun {f'--cpus-per-task={task} ' if task else ''}--pty mnist-tui")
        return
    yield Finding("SLURM", "ok", f"job {job} on {node}")
    yield from _core_findings(environment, cores)
    yield from _memory_findings(environment)
    yield from _gpu_findings(environment, opened_gpus, usable_gpus)
    yield from _time_findings(environment, now)


def _core_findings(environment: Mapping[str, str], cores: int) -> Iterator[Finding]:
    on_node, task = _number(environment, "SLURM_CPUS_ON_NODE"), _number(environment, "SLURM_CPUS_PER_TASK")
    only_task = _number(environment, "SLURM_NTASKS") in (None, 1)
    fewest, most = task or (on_node if only_task else 1), on_node or task
    if fewest is None or most is None:
        return
    if cores < fewest:
        text = f"{fewest} CPUs are allocated, but this process may use only {cores}: leave this step, and give srun its own"
        text += " --cpus-per-task"
        yield Finding("SLURM cores", "note", text, f"srun --cpus-per-task={fewest} --pty mnist-tui")
    elif cores > most:
        text = f"{plural(most, 'CPU')} allocated, but this process may use {cores}, and would start as many threads"
        yield Finding("SLURM cores", "note", text, f"mnist-tui --threads {max(1, most // 2)}")
    else:
        yield Finding("SLURM cores", "ok", f"{plural(most, 'CPU')} allocated on this node, {cores} usable here")


def _memory_findings(environment: Mapping[str, str]) -> Iterator[Finding]:
    megabytes = _number(environment, "SLURM_MEM_PER_NODE")
    if megabytes is None:
        per_core = _number(environment, "SLURM_MEM_PER_CPU") or 0
        megabytes = per_core * (_number(environment, "SLURM_CPUS_ON_NODE") or 0)
    if megabytes:
        text = f"{megabytes * 2**20 / 1e9:.1f} GB allocated on this node: SLURM may end a job that takes more"
        yield Finding("SLURM memory", "ok", text)


def _gpu_findings(environment: Mapping[str, str], opened: int, usable: int) -> Iterator[Finding]:
    if environment.get("ROCR_VISIBLE_DEVICES") or environment.get(
        "HIP_VISIBLE_DEVICES"
    ):  # AMD's, which are not counted here
        return
    text = environment.get("SLURM_STEP_GPUS") or environment.get("SLURM_JOB_GPUS") or ""
    ids, visible = _gpu_ids(text), environment.get("CUDA_VISIBLE_DEVICES")
    count = len(ids) or _number(environment, "SLURM_GPUS_ON_NODE") or 0
    if not count:
        if usable and visible is None:
            text = f"SLURM gave this job no GPU, but this process can use {usable}, which may be another job's"
            yield Finding("SLURM GPUs", "note", text, "mnist-tui --device cpu")
        return
    allocated = f"{plural(count, 'GPU')} allocated" + (f" ({','.join(ids)} of the node)" if ids else "")
    hidden = "" if visible is None else f" by CUDA_VISIBLE_DEVICES={visible}"
    are_indices = bool(ids) and all(int(number) < opened for number in ids)  # not those of the node in a cgroup
    choose = f"export CUDA_VISIBLE_DEVICES={','.join(ids)}" if are_indices else "nvidia-smi -L"
    shared = (_number(environment, "SLURM_NTASKS") or 1) > 1  # by tasks that may have one each
    if usable == count:
        yield Finding("SLURM GPUs", "ok", f"{allocated}, as many usable here")
    elif usable < count and shared:
        yield Finding("SLURM GPUs", "ok", f"{allocated} to several tasks, {usable} usable in this one")
    elif usable > count:
        text = f"{allocated}, but this process can use {usable}: `auto` and `all` would take another job's"
        yield Finding("SLURM GPUs", "note", text, choose)
    elif opened < count:
        yield Finding("SLURM GPUs", "note", f"{allocated}, but the driver offers only {opened} here", "nvidia-smi -L")
    else:
        text = f"{allocated}, but only {usable} made visible{hidden}"
        yield Finding("SLURM GPUs", "note", text, "unset CUDA_VISIBLE_DEVICES" if opened == count else choose)


def _time_findings(environment: Mapping[str, str], now: float) -> Iterator[Finding]:
    end = _number(environment, "SLURM_JOB_END_TIME")
    if end is None:
        return
    minutes = int((end - now) // 60)
    left = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{max(0, minutes)} min"
    text = f"the job ends in {left}; a run that is cut off can be continued from its last checkpoint"
    soon = end - now < SOON_SECONDS
    yield Finding("SLURM time", "note" if soon else "ok", text, "mnist-tui train --resume RUN" if soon else "")


def _number(environment: Mapping[str, str], name: str) -> int | None:
    """Return the variable as a whole number; None when it is not set, or is none, such as "2(x3)"."""
    text = environment.get(name, "")
    return int(text) if text.isdecimal() else None


def _gpu_ids(text: str) -> list[str]:
    """Return the ids in a list such as "0,2-3"; none when it has another form."""
    ids: list[str] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", part.strip(), re.ASCII)
        if match is None:
            return []
        first, last = int(match[1]), int(match[2] or match[1])
        ids += map(str, range(first, last + 1))
    return ids


# GPUs that can't be opened


def closed_gpus(
    minors: Mapping[int, int | None], root: Path = ROOT, open_node: Callable[[Path], None] | None = None
) -> dict[int, str]:
    """Return why a GPU can't be opened, by index; `minors` has N of its /dev/nvidiaN, or None.

    A cgroup refuses a device with EPERM: version 1 by its devices.list, version 2 by a program that can't be read.
    """
    closed: dict[int, str] = {}
    if not os.path.exists(root / "dev/nvidiactl"):  # WSL has no nodes
        return closed
    for index, minor in minors.items():
        node = root / f"dev/nvidia{minor}"
        try:
            if minor is not None:
                (open_node or _open)(node)
        except OSError as error:
            closed[index] = _refusal(error, node, root)
    return closed


def _open(node: Path) -> None:
    os.close(os.open(node, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC))


def _refusal(error: OSError, node: Path, root: Path) -> str:
    if error.errno == errno.ENOENT:
        return "there is no such device here"
    if error.errno == errno.EACCES:
        return "the file's permissions forbid it"
    if error.errno != errno.EPERM:
        return error.strerror or str(error)
    try:
        number = os.stat(node).st_rdev
    except OSError:
        number = 0
    unlisted = device_is_listed(os.major(number), os.minor(number), root) is False
    return "this process's cgroup forbids it" + (" (devices.list)" if unlisted else "")


def usable_gpus(readings: Sequence[GpuReading], closed: Collection[int], environment: Mapping[str, str]) -> int:
    """Return how many GPUs or MIG slices CUDA can use: those that can be opened and that CUDA_VISIBLE_DEVICES names."""
    opened = [gpu for gpu in readings if gpu.index not in closed]
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return len(opened)
    count = 0
    for name in (entry.strip() for entry in visible.split(",")):
        # CUDA counts only the GPUs that it can open
        if not any(matches_id(name, place, (gpu.uuid, *gpu.slices)) for place, gpu in enumerate(opened)):
            break  # CUDA ignores what follows
        count += 1
    return count


def closed_findings(closed: Mapping[int, str], count: int, in_a_job: bool) -> Iterator[Finding]:
    """Report the GPUs that can't be opened, those with the same reason in one row; `count` are all that the driver lists."""
    for reason in dict.fromkeys(closed.values()):
        indices = [index for index in closed if closed[index] == reason]
        text = f"the driver lists GPU {', '.join(map(str, indices))}, but {reason}: neither framework can use "
        text += "it" if len(indices) == 1 else "them"
        others_jobs = in_a_job and len(closed) < count
        request = "srun --gpus=1 --pty mnist-tui" if in_a_job else "ls -l /dev/nvidia*"
        yield Finding("GPU access", "ok" if others_jobs else "note", text, "" if others_jobs else request)


# MIG


def slice_findings(
    readings: Sequence[GpuReading], names: Mapping[str, str], environment: Mapping[str, str]
) -> Iterator[Finding]:
    """Report the slices of each GPU that MIG divides; CUDA gives a process one, by its UUID (MIG User Guide, "Device Enumeration").

    `names` are the slices' names by UUID.
    """
    chosen, is_first = environment.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip(), True
    for gpu in readings:
        if ("utilization_percent", UNDER_MIG) not in gpu.missing:
            continue
        if not gpu.slices:
            text = f"GPU {gpu.index} is in MIG mode without a slice: CUDA can't use it until an administrator makes one"
            yield Finding("MIG", "note", text, f"sudo nvidia-smi mig -i {gpu.index} -lgip")
            continue
        slices = ", ".join(f"{uuid} ({names[uuid]})" if names.get(uuid) else uuid for uuid in gpu.slices)
        text = f"GPU {gpu.index} is divided into {plural(len(gpu.slices), 'slice')}: {slices}"
        if chosen.startswith("MIG-"):
            is_here = any(uuid.startswith(chosen) for uuid in gpu.slices)
            yield Finding("MIG", "ok", f"{text}; cuda:0 is {chosen}" if is_here else text)
        elif chosen and not matches_id(chosen, gpu.index, (gpu.uuid,)):
            yield Finding("MIG", "ok", text)
        else:
            text += "; a process trains on one of them, named by its UUID, or else on the first"
            yield Finding("MIG", "note", text, f"export CUDA_VISIBLE_DEVICES={gpu.slices[0]}" if is_first else "")
            is_first = False
