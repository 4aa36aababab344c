"""Which of the machine's GPUs a framework's cuda:N is, and which of them has most memory free. Standard library only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence

from engines.events import Device, GpuReading

ASK = ("nvidia-smi", "--query-gpu=index,uuid,memory.free", "--format=csv,noheader,nounits")
"""The driver's own tool: to ask CUDA for free memory costs some 500 MB on every GPU that is asked."""
ASK_SECONDS = 5.0


def known_to_the_driver(ordinal: int, environment: Mapping[str, str] = os.environ) -> str:
    """What the driver calls cuda:`ordinal`: an index in PCI order, or the UUID of a GPU or a MIG slice; empty when nobody can tell.

    CUDA_VISIBLE_DEVICES chooses and orders the GPUs, and may cut UUIDs short: CUDA C++ Programming Guide, "Environment Variables".
    """
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return str(ordinal)
    names = [name.strip() for name in visible.split(",")]
    return names[ordinal] if ordinal < len(names) else ""


def is_gpu(named: str, index: int, uuids: Iterable[str]) -> bool:
    """Whether a GPU, or a slice of it, is what the driver calls `named`."""
    return named == str(index) or (named.startswith(("GPU-", "MIG-")) and any(uuid.startswith(named) for uuid in uuids))


def most_free(devices: Sequence[Device]) -> Device:
    """The GPU with most free memory; the first one when there is only one, or when nvidia-smi does not tell."""
    told = _free_memory() if len(devices) > 1 else []

    def free(device: Device) -> int:
        return max((mb for index, uuid, mb in told if is_gpu(device.gpu, index, (uuid,))), default=-1)

    return max(devices, key=free)


def _free_memory() -> list[tuple[int, str, int]]:
    """(index, UUID, MiB free) of every GPU that the driver has."""
    try:
        told = subprocess.run(ASK, capture_output=True, text=True, timeout=ASK_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    lines = [[word.strip() for word in line.split(",")] for line in told.splitlines()]
    known = [line for line in lines if len(line) == 3 and line[0].isdecimal() and line[2].isdecimal()]  # or "[N/A]"
    return [(int(index), uuid, int(mb)) for index, uuid, mb in known]


def readings_of(device: str, known: Sequence[Device], readings: Sequence[GpuReading]) -> list[GpuReading]:
    """The GPUs that a framework's device or devices are, of those that the driver lists."""
    named = [one.gpu or one.id.partition(":")[2] for one in known if one.id in device.split(",") and one.id != "cpu"]
    return [one for one in readings if any(is_gpu(name, one.index, (one.uuid, *one.slices)) for name in named)]
