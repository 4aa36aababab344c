"""Match a framework's cuda:N to the driver's GPUs, and choose the GPU with most free memory. Standard library only."""

from __future__ import annotations

import functools
import os
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence

from engines.messages.events import Device, GpuReading

QUERY = ("nvidia-smi", "--query-gpu=index,uuid,memory.free", "--format=csv,noheader,nounits")
"""The driver's own tool: querying CUDA for free memory costs some 500 MB on every GPU."""
QUERY_SECONDS = 60.0
"""Time for an answer: without persistence mode, the driver first initializes each GPU for 1 to 3 s (NVIDIA, Driver Persistence)."""
PERSISTENCE_MODE = "sudo nvidia-smi -pm 1"
"""The command that lets the driver keep its GPUs initialized."""
GPU_ORDER_ENV = "MNIST_TUI_GPUS"
"""The variable that passes `gpus_by_free_memory` to the workers, so that "auto" is the same GPU for both."""

BUSY_PERCENT = 10.0
"""Utilisation from which a GPU is called busy."""


def driver_id(ordinal: int, environment: Mapping[str, str] = os.environ) -> str:
    """Return the driver's id of cuda:`ordinal`: an index in PCI order, or the UUID of a GPU or a MIG slice; empty when unknown.

    CUDA_VISIBLE_DEVICES chooses and orders the GPUs, and may cut UUIDs short: CUDA C++ Programming Guide, "Environment Variables".
    """
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return str(ordinal)
    names = [name.strip() for name in visible.split(",")]
    return names[ordinal] if ordinal < len(names) else ""


def matches_id(gpu_id: str, index: int, uuids: Iterable[str]) -> bool:
    """Return whether the driver's id is that of a GPU with this index, or with this UUID of its own or of a slice."""
    is_uuid = gpu_id.startswith(("GPU-", "MIG-"))
    return gpu_id == str(index) or (is_uuid and any(uuid.startswith(gpu_id) for uuid in uuids))


def first_unknown(visible: str, readings: Sequence[GpuReading]) -> str | None:
    """Return the first entry of a CUDA_VISIBLE_DEVICES that names no GPU: CUDA sees neither it nor the entries after it.

    Without readings, everything that looks like an index or a UUID counts as a GPU.
    """
    for entry in visible.split(","):
        name = entry.strip()
        exists = any(matches_id(name, gpu.index, (gpu.uuid, *gpu.slices)) for gpu in readings)
        if not (exists if readings else name.isdecimal() or name.startswith(("GPU-", "MIG-"))):
            return entry
    return None


def visible_indices(
    readings: Sequence[GpuReading], environment: Mapping[str, str] = os.environ
) -> frozenset[int] | None:
    """Return the driver's indices of the GPUs that CUDA_VISIBLE_DEVICES leaves visible; None where it is not set."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return None
    indices = set()
    for name in (entry.strip() for entry in visible.split(",")):
        found = [gpu.index for gpu in readings if name and matches_id(name, gpu.index, (gpu.uuid, *gpu.slices))]
        if not found:  # CUDA ignores the entries after an unknown one
            break
        indices.update(found)
    return frozenset(indices)


_query_lock = threading.Lock()


def gpus_by_free_memory() -> str:
    """Return the GPUs as "INDEX UUID, INDEX UUID", most free memory first, as at the first call; empty without GPUs.

    The first call may take `QUERY_SECONDS`, so make it in a thread that may wait.
    """
    with _query_lock:  # both engines call this at the same time, and must get the same answer
        return _query_driver()[0]


def query_problem() -> str:
    """Return why `gpus_by_free_memory` has no answer although the driver's tool is there, and what to do; empty otherwise."""
    with _query_lock:
        return _query_driver()[1]


@functools.cache
def _query_driver() -> tuple[str, str]:
    """Return (order, problem)."""
    try:
        done = subprocess.run(QUERY, stdin=subprocess.DEVNULL, capture_output=True, timeout=QUERY_SECONDS, check=True)
    except subprocess.TimeoutExpired:
        return "", (
            f"nvidia-smi did not answer within {QUERY_SECONDS:g} s, so `auto` is the first GPU, whatever memory is free."
            f" Persistence mode makes it answer at once: {PERSISTENCE_MODE}"
        )
    except (OSError, subprocess.SubprocessError):
        return "", ""
    text = done.stdout.decode("ascii", errors="replace")
    lines = [[word.strip() for word in line.split(",")] for line in text.splitlines() if _fits_a_variable(line)]
    gpus = [line for line in lines if len(line) == 3 and line[0].isdecimal() and line[2].isdecimal()]  # or "[N/A]"
    return ", ".join(f"{index} {uuid}" for index, uuid, _ in sorted(gpus, key=lambda gpu: -int(gpu[2]))), ""


def _fits_a_variable(line: str) -> bool:
    """Return whether a line fits into an environment variable in every locale; ASCII also rules out other digits than 0 to 9."""
    return line.isascii() and line.isprintable() and len(line) < 200


def most_free(devices: Sequence[Device], order: str = "") -> Device:
    """Return the device that comes first in `order`, or in the app's order; the first device when the order has none of them."""
    for gpu in (order or os.environ.get(GPU_ORDER_ENV, "")).split(", "):
        index, _, uuid = gpu.partition(" ")
        for device in devices:
            if index.isdecimal() and matches_id(device.gpu, int(index), (uuid,)):
                return device
    return devices[0]


def default_device(devices: Sequence[Device]) -> str:
    """Return the id of the device that "auto" stands for, in the app's process: the GPU with most free memory, or the CPU."""
    gpus = [device for device in devices if device.usable and device.id != "cpu"]
    return most_free(gpus, gpus_by_free_memory()).id if gpus else "cpu"


def readings_of(device: str, devices: Sequence[Device], readings: Sequence[GpuReading]) -> list[GpuReading]:
    """Return the driver's readings of `device`, which may be several ("cuda:0,cuda:1"); `devices` are all of the framework's."""
    ids = {item.id: item.gpu for item in devices}
    used = [ids.get(name) or name.partition(":")[2] for name in device.split(",")]
    return [
        gpu for gpu_id in used for gpu in readings if gpu_id and matches_id(gpu_id, gpu.index, (gpu.uuid, *gpu.slices))
    ]
