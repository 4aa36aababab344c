"""The energy that a run used on its GPUs."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from engines.gpu_selection import readings_of
from engines.messages.events import GpuReading
from engines.runs.history import RunHistory
from engines.runs.machine_history import MAX_GAP_SECONDS, GpuHistory, MachineHistory

_NO_GPU_REASON = {"cpu": "a CPU's energy is not measured", "cuda": "the GPU's power is not known"}
"""The reasons for a missing energy when the driver reads none of a run's devices, by kind of device."""


def energy_joules(
    history: RunHistory, machine: MachineHistory, others: Collection[RunHistory], now: float | None = None
) -> tuple[float | None, str]:
    """Return (joules, "") that a run's GPUs used from its first step to its end or `now`, or (None, why it is not known).

    `others` are the histories whose runs may have used the same GPU at the same time; `history` itself may be among them.
    """
    end = history.ended_t if history.ended_t is not None else now
    if history.started is None or end is None:
        return None, "the run has not ended"
    gpus = gpus_of(history, machine)
    start, indices = history.started.t, {gpu.index for gpu in gpus}
    for other in others:
        shares_gpu = other is not history and indices & {gpu.index for gpu in gpus_of(other, machine)}
        if shares_gpu and other.started and other.started.t < end and (other.ended_t or end) > start:
            return None, "the GPU was shared"
    return joules_between(history.started.device, gpus, machine, start, end)


def joules_between(
    device: str, gpus: Sequence[GpuReading], machine: MachineHistory, start: float, end: float
) -> tuple[float | None, str]:
    """Return (joules, "") that the GPUs of `device` used between two times, or (None, why it is not known).

    `gpus` are readings of them, none where the driver reads none.
    """
    if not gpus:
        kind = re.split("[:,]", device)[0]
        return None, _NO_GPU_REASON.get(kind, "the device's energy is not measured")
    if any(gpu.slices for gpu in gpus):
        return None, "a part of a GPU has no counter of its own"
    indices = {gpu.index for gpu in gpus}
    measured = [joules for index in indices if (joules := _joules(machine.gpus.get(index), start, end)) is not None]
    complete = len(measured) == len(device.split(","))
    return (sum(measured), "") if complete else (None, "the GPU's power is not known")


def _joules(gpu: GpuHistory | None, start: float, end: float) -> float | None:
    """Return the joules that a GPU used between two times; None where its readings begin later or end before."""
    span = gpu.energy_span if gpu is not None else None
    if gpu is None or span is None or span[0] > start + MAX_GAP_SECONDS or span[1] < end - MAX_GAP_SECONDS:
        return None
    return gpu.energy_joules(start, end)


def gpus_of(history: RunHistory, machine: MachineHistory) -> list[GpuReading]:
    """Return the newest readings of the GPUs that a run trains on; empty on a CPU, and where the driver has no readings."""
    if history.started is None or machine.usage is None:
        return []
    devices = history.last_worker_ready.devices if history.last_worker_ready else ()
    return readings_of(history.started.device, devices, machine.usage.gpus)
