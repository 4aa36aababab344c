"""The energy that a run used on its GPUs."""

from __future__ import annotations

import re
from collections.abc import Collection

from engines.gpu_selection import readings_of
from engines.messages.events import GpuReading
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory

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
    if not gpus:
        kind = re.split("[:,]", history.started.device)[0]
        return None, _NO_GPU_REASON.get(kind, "the device's energy is not measured")
    start, indices = history.started.t, {gpu.index for gpu in gpus}
    for other in others:
        shares_gpu = other is not history and indices & {gpu.index for gpu in gpus_of(other, machine)}
        if shares_gpu and other.started and other.started.t < end and (other.ended_t or end) > start:
            return None, "the GPU was shared"
    if any(gpu.slices for gpu in gpus):
        return None, "a part of a GPU has no counter of its own"
    joules = [machine.gpus[index].energy_joules(start, end) if index in machine.gpus else None for index in indices]
    measured = [value for value in joules if value is not None]
    return (sum(measured), "") if len(measured) == len(gpus) else (None, "the GPU's power is not known")


def gpus_of(history: RunHistory, machine: MachineHistory) -> list[GpuReading]:
    """Return the newest readings of the GPUs that a run trains on; empty on a CPU, and where the driver has no readings."""
    if history.started is None or machine.usage is None:
        return []
    devices = history.last_worker_ready.devices if history.last_worker_ready else ()
    return readings_of(history.started.device, devices, machine.usage.gpus)
