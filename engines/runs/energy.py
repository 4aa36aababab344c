"""How much energy a run took on its GPUs."""

from __future__ import annotations

import re
from collections.abc import Collection

from engines.gpu_selection import readings_of
from engines.messages.events import GpuReading
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory


def energy_joules(
    history: RunHistory, machine: MachineHistory, others: Collection[RunHistory], now: float | None = None
) -> tuple[float | None, str]:
    """What its GPUs took from the first step to its end, or to `now`, and why that is not known when it is not."""
    ended = history.ended_t if history.ended_t is not None else now
    if history.started is None or ended is None:
        return None, "the run has not ended"
    own = gpus_of(history, machine)
    if not own:
        kind = {"cpu": "a CPU's energy is not measured", "cuda": "the GPU's power is not known"}
        return None, kind.get(re.split("[:,]", history.started.device)[0], "the device's energy is not measured")
    began, indices = history.started.t, {one.index for one in own}
    for one in others:
        beside = one is not history and indices & {other.index for other in gpus_of(one, machine)}
        if beside and one.started and one.started.t < ended and (one.ended_t or ended) > began:
            return None, "the GPU was shared"
    if any(one.slices for one in own):
        return None, "a part of a GPU has no counter of its own"
    joules = [machine.gpus[index].energy_joules(began, ended) if index in machine.gpus else None for index in indices]
    known = [one for one in joules if one is not None]
    return (sum(known), "") if len(known) == len(own) else (None, "the GPU's power is not known")


def gpus_of(history: RunHistory, machine: MachineHistory) -> list[GpuReading]:
    """Those that it trains on, as the driver read them last; none on a CPU, and where the driver knows nothing of them."""
    if history.started is None or machine.usage is None:
        return []
    known = history.last_worker_ready.devices if history.last_worker_ready else ()
    return readings_of(history.started.device, known, machine.usage.gpus)
