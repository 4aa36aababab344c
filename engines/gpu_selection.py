"""Which of the machine's GPUs a framework's cuda:N is, and which of them has most memory free. Standard library only."""

from __future__ import annotations

import functools
import os
import subprocess
import threading
from collections.abc import Iterable, Mapping, Sequence

from engines.messages.events import Device, GpuReading

ASK = ("nvidia-smi", "--query-gpu=index,uuid,memory.free", "--format=csv,noheader,nounits")
"""The driver's own tool: to ask CUDA for free memory costs some 500 MB on every GPU that is asked."""
ASK_SECONDS = 5.0
GPU_ORDER_ENV = "MNIST_TUI_GPUS"
"""The variable in which the app tells its workers `by_free_memory`, so that "auto" is the same GPU for both."""


def driver_id(ordinal: int, environment: Mapping[str, str] = os.environ) -> str:
    """What the driver calls cuda:`ordinal`: an index in PCI order, or the UUID of a GPU or a MIG slice; empty when nobody can tell.

    CUDA_VISIBLE_DEVICES chooses and orders the GPUs, and may cut UUIDs short: CUDA C++ Programming Guide, "Environment Variables".
    """
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return str(ordinal)
    names = [name.strip() for name in visible.split(",")]
    return names[ordinal] if ordinal < len(names) else ""


def is_named(named: str, index: int, uuids: Iterable[str]) -> bool:
    """Whether a GPU, or a slice of it, is what the driver calls `named`."""
    return named == str(index) or (named.startswith(("GPU-", "MIG-")) and any(uuid.startswith(named) for uuid in uuids))


def first_unknown(visible: str, readings: Sequence[GpuReading]) -> str | None:
    """The first entry of a CUDA_VISIBLE_DEVICES that names no GPU, as it is written: CUDA sees neither it nor what follows it.

    Without readings, whatever looks like an index or a UUID is taken to name one.
    """
    for entry in visible.split(","):
        name = entry.strip()
        seen = any(is_named(name, one.index, (one.uuid, *one.slices)) for one in readings)
        if not (seen if readings else name.isdecimal() or name.startswith(("GPU-", "MIG-"))):
            return entry
    return None


_asking = threading.Lock()


def gpus_by_free_memory() -> str:
    """The GPUs as "INDEX UUID, INDEX UUID", the one with most free memory first, as it was when first asked; empty without any."""
    with _asking:  # both engines ask at once, and are to be told the same
        return _ask()


@functools.cache
def _ask() -> str:
    try:
        done = subprocess.run(ASK, stdin=subprocess.DEVNULL, capture_output=True, timeout=ASK_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    text = done.stdout.decode("ascii", errors="replace")
    lines = [[word.strip() for word in line.split(",")] for line in text.splitlines() if _fits_a_variable(line)]
    known = [line for line in lines if len(line) == 3 and line[0].isdecimal() and line[2].isdecimal()]  # or "[N/A]"
    return ", ".join(f"{index} {uuid}" for index, uuid, _ in sorted(known, key=lambda line: -int(line[2])))


def _fits_a_variable(line: str) -> bool:
    """Whether it can be in an environment, whatever the locale, and its numbers are numbers."""
    return line.isascii() and line.isprintable() and len(line) < 200


def most_free(devices: Sequence[Device], order: str = "") -> Device:
    """The first of these GPUs in that order, or in the one that the app told; the first of all where none is known."""
    for one in (order or os.environ.get(GPU_ORDER_ENV, "")).split(", "):
        index, _, uuid = one.partition(" ")
        for device in devices:
            if index.isdecimal() and is_named(device.gpu, int(index), (uuid,)):
                return device
    return devices[0]


def readings_of(device: str, known: Sequence[Device], readings: Sequence[GpuReading]) -> list[GpuReading]:
    """The GPUs that a framework's device or devices are, of those that the driver lists; `known` are all of the framework's."""
    names = {one.id: one.gpu for one in known}
    wanted = [names.get(one) or one.partition(":")[2] for one in device.split(",")]
    return [one for name in wanted for one in readings if name and is_named(name, one.index, (one.uuid, *one.slices))]
