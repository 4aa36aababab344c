"""Match a framework's cuda:N to the driver's GPUs, and choose the GPUs that "auto" stands for. Standard library only."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from engines.messages.commands import ANY_GPU, AutoDevice
from engines.messages.events import Device, GpuReading

QUERY = (
    "nvidia-smi",
    "--query-gpu=index,uuid,memory.free,memory.total,utilization.gpu",
    "--format=csv,noheader,nounits",
)
"""The driver's own tool: querying CUDA for free memory costs some 500 MB on every GPU."""
QUERY_SECONDS = 60.0
"""Time for an answer: without persistence mode, the driver first initializes each GPU for 1 to 3 s (NVIDIA, Driver Persistence)."""
AGAIN_SECONDS = 5.0
"""Time for another answer: the GPUs are initialized, and an older answer is better than a long wait."""
PERSISTENCE_MODE = "sudo nvidia-smi -pm 1"
"""The command that lets the driver keep its GPUs initialized."""
GPU_ORDER_ENV = "MNIST_TUI_GPUS"
"""The variable that passes `freest_gpus` to the workers, so that "auto" is the same GPU for both."""

BUSY_PERCENT = 10.0
"""Utilisation from which a GPU is called busy."""
FREE_MEMORY_SHARE = 0.85
"""The share of its memory that a free GPU has at least; a display may hold the rest."""


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


class _Driver:
    """The driver's answer: how much each GPU is used, and the problem when there is no answer. It is read once for each run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run_id: str | None = None
        """The run for which it was read last; None before the first time."""
        self._answer = "", ""

    def read(self, run_id: str = "", held: Sequence[str] = ()) -> tuple[str, str]:
        """Return (order, problem) as for this run; without a run, the newest answer, without a wait if there is one."""
        if self._run_id is not None and run_id in ("", self._run_id):
            return self._answer
        with self._lock:  # both engines of a race call this at the same time, and must get the same answer
            is_first = self._run_id is None
            if is_first or (run_id not in ("", self._run_id) and not self._answer[1]):
                answer = _query_driver(QUERY_SECONDS if is_first else AGAIN_SECONDS, held)
                if is_first or answer[0]:
                    self._answer = answer
            self._run_id = run_id or self._run_id or ""
            return self._answer


_driver = _Driver()


def freest_gpus(run_id: str = "", held: Sequence[str] = ()) -> str:
    """Return the GPUs as "INDEX UUID, INDEX UUID busy", as at the start of this run, or as they were last; empty without GPUs.

    Those that nobody uses come first: those that the run's own workers hold already, then the ones with most free memory. `held`
    are the driver's ids of the workers' GPUs, whose memory is not somebody else's.

    The first call may take `QUERY_SECONDS`, that for a run `AGAIN_SECONDS`, so make them in a thread that may wait.
    """
    return _driver.read(run_id, held)[0]


def query_problem() -> str:
    """Return why `freest_gpus` has no answer although the driver's tool is there, and what to do; empty otherwise."""
    return _driver.read()[1]


def _query_driver(timeout: float, held: Sequence[str] = ()) -> tuple[str, str]:
    """Return (order, problem)."""
    try:
        done = subprocess.run(QUERY, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=True)
    except subprocess.TimeoutExpired:
        return "", (
            f"nvidia-smi did not answer within {timeout:g} s, so `auto` is the first GPU, whatever memory is free."
            f" Persistence mode makes it answer at once: {PERSISTENCE_MODE}"
        )
    except (OSError, subprocess.SubprocessError):
        return "", ""
    text = done.stdout.decode("ascii", errors="replace")
    lines = [[word.strip() for word in line.split(",")] for line in text.splitlines() if _fits_a_variable(line)]
    gpus = []
    for index, uuid, free, total, percent in (line for line in lines if len(line) == 5):
        if index.isdecimal() and free.isdecimal():  # or "[N/A]"
            place = next((i for i, gpu_id in enumerate(held) if matches_id(gpu_id, int(index), (uuid,))), len(held))
            busy = _is_busy(free, total, percent, is_held=place < len(held))
            gpus.append((busy, place, -int(free), index, uuid))
    return ", ".join(f"{index} {uuid}{' busy' * busy}" for busy, _, _, index, uuid in sorted(gpus)), ""


def _is_busy(free: str, total: str, percent: str, *, is_held: bool) -> bool:
    """Return whether somebody uses a GPU: its memory, or its cores where their utilisation is known, as it is not under MIG.

    The memory of one that is held by our own workers says nothing.
    """
    is_full = not is_held and total.isdecimal() and int(free) < FREE_MEMORY_SHARE * int(total)
    return is_full or (percent.isdecimal() and int(percent) >= BUSY_PERCENT)


def _fits_a_variable(line: str) -> bool:
    """Return whether a line fits into an environment variable in every locale; ASCII also rules out other digits than 0 to 9."""
    return line.isascii() and line.isprintable() and len(line) < 200


def auto_devices(mode: str, devices: Mapping[str, str]) -> dict[str, AutoDevice]:
    """Return what decides the device of each engine where it is `auto`; `devices` are the settings by engine."""
    if mode != "race":
        return dict.fromkeys(devices, ANY_GPU)
    ranks = {engine: i for i, engine in enumerate(e for e in devices if devices[e] == "auto")}
    taken = tuple(name for device in devices.values() if device != "auto" for name in device.split(","))
    return {engine: AutoDevice(rank=ranks.get(engine, 0), taken=taken) for engine in devices}


def most_free(devices: Sequence[Device], order: str = "", auto: AutoDevice = ANY_GPU) -> Device:
    """Return the device that comes first in `order`, or in the app's order; the first device when the order has none of them.

    With a rank of 1, the second of those that nobody uses, so that both engines of a race have one; without a second, the first.
    One that the race's other engine has by name counts as used.
    """
    ordered, free = [], []
    for index, uuid, busy in _read_order(order or os.environ.get(GPU_ORDER_ENV, "")):
        device = next((d for d in devices if matches_id(d.gpu, index, (uuid,))), None)
        if device is not None:
            ordered.append(device)
            free += [device] * (not busy and device.id not in auto.taken)
    return free[auto.rank] if auto.rank < len(free) else (ordered or devices)[0]


def default_device(devices: Sequence[Device], auto: AutoDevice = ANY_GPU) -> str:
    """Return the id of the device that "auto" stands for, in the app's process: the freest GPU, or the CPU; see `most_free`."""
    gpus = [device for device in devices if device.usable and device.id != "cpu"]
    return most_free(gpus, freest_gpus(), auto).id if gpus else "cpu"


def free_gpus(environment: Mapping[str, str] = os.environ) -> list[str] | None:
    """Return the GPUs that nobody uses, as CUDA names and orders them; None where the driver lists none that CUDA sees.

    May wait for the driver, like `freest_gpus`.
    """
    order = [*_read_order(freest_gpus())]
    free, seen = [], 0
    while any(matches_id(gpu_id := driver_id(seen, environment), index, (uuid,)) for index, uuid, _ in order):
        free += [f"cuda:{seen}" for index, uuid, busy in order if matches_id(gpu_id, index, (uuid,)) and not busy]
        seen += 1
    return free if seen else None


def _read_order(order: str) -> Iterator[tuple[int, str, bool]]:
    """Yield (index, UUID, whether it is busy) of each GPU in what `freest_gpus` returns."""
    for gpu in order.split(", "):
        index, _, rest = gpu.partition(" ")
        uuid, _, busy = rest.partition(" ")
        if index.isdecimal():
            yield int(index), uuid, bool(busy)


def readings_of(device: str, devices: Sequence[Device], readings: Sequence[GpuReading]) -> list[GpuReading]:
    """Return the driver's readings of `device`, which may be several ("cuda:0,cuda:1"); `devices` are all of the framework's."""
    ids = {item.id: item.gpu for item in devices}
    used = [ids.get(name) or name.partition(":")[2] for name in device.split(",")]
    return [
        gpu for gpu_id in used for gpu in readings if gpu_id and matches_id(gpu_id, gpu.index, (gpu.uuid, *gpu.slices))
    ]
