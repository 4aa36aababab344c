"""The records that events hold. Standard library only."""

from __future__ import annotations

from engines.record import Record


class Device(Record):
    """A device that a framework offers, or an unusable one with the reason."""

    id: str
    """"cpu", "cuda:N" or "mps"."""
    name: str
    usable: bool = True
    reason: str = ""
    """The reason why the device can't be used; empty when it can."""
    gpu: str = ""
    """The driver's id of the GPU: an index, or a UUID that may be abbreviated; empty for a CPU, and when unknown."""


class GpuHolder(Record):
    """A process that computes on a GPU."""

    pid: int
    """The driver's number of the process: in most containers the host's."""
    memory_bytes: int | None = None
    user: str = ""
    """The user's name; empty where the process can't be seen, as that of another container."""
    name: str = ""
    ours: bool = False
    """True for a worker of this program and this user."""


class GpuDetails(Record):
    """Figures of a GPU that only the GPU wall shows; no record of a run has them, because they name other people's processes."""

    memory_clock_mhz: float | None
    pcie_in: float | None = None
    """Bytes a second that the GPU receives."""
    pcie_out: float | None = None
    nvlink_in: float | None = None
    """Bytes a second over all links, as `nvlink_out`."""
    nvlink_out: float | None = None
    holders: tuple[GpuHolder, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    """(field, reason) of every field that is None."""


class GpuReading(Record):
    """One GPU at one moment."""

    index: int
    name: str
    uuid: str
    utilization_percent: float | None
    memory_used_bytes: int | None
    memory_total_bytes: int | None
    temperature_celsius: float | None
    power_watts: float | None
    power_limit_watts: float | None
    energy_joules: float | None = None
    """Joules since the driver was loaded; only Volta and later GPUs count them."""
    sm_clock_mhz: float | None = None
    throttled: str = ""
    """The reason why the GPU is slowed down: "heat", "power limit", ...; empty when it is not, and when unknown."""
    missing: tuple[tuple[str, str], ...] = ()
    """(field, reason) of every field that is None."""
    slices: tuple[str, ...] = ()
    """UUIDs of the GPU's MIG slices."""
    details: GpuDetails | None = None
    """None where nobody looks at the GPU wall."""

    @property
    def is_lost(self) -> bool:
        """True for a GPU that was there before and of which the driver tells nothing any more."""
        figures = (self.memory_used_bytes, self.temperature_celsius, self.power_watts, self.sm_clock_mhz)
        return bool(self.missing) and self.utilization_percent is None and figures == (None,) * 4


class LayerChange(Record):
    """The change of one layer in one training step; each figure is the L2 norm over the kernel and the bias."""

    layer: str
    gradient: float
    """Norm of the gradient of the batch's mean loss, at the weights before the step and with dropout off."""
    weights: float
    """Norm of the parameters before the step."""
    update: float
    """Norm of what the optimizer added to them."""
