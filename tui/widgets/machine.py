"""The line about the whole machine: its CPU, memory and GPUs."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from engines.api import BUSY_PERCENT, GpuReading, MachineHistory
from tui.charts.sparkline import sparkline

FEWEST_FOR_STRIP = 3
"""The number of GPUs from which a strip stands for all of them."""


def render_machine(history: MachineHistory, width: int, ascii_only: bool) -> Text:
    """Render CPU, cores, memory and each GPU in one line; what does not fit is left out, the cores first.

    Three or more GPUs are one strip, which is shown before the memory.
    """
    usage = history.usage
    if usage is None:
        return Text(" machine  measuring…", style="dim", no_wrap=True)
    cores = sparkline(usage.per_core, min(len(usage.per_core), 16), maximum=100, ascii_only=ascii_only)
    cpu = f" machine  CPU {usage.cpu_percent:3.0f} % {sparkline(history.cpu_percent, 12, maximum=100, ascii_only=ascii_only)}"
    memory = f"RAM {usage.memory_used_bytes / 1e9:.1f}/{usage.memory_total_bytes / 1e9:.1f} GB"
    if len(usage.gpus) >= FEWEST_FOR_STRIP:
        return _join(cpu, (heat_strip(usage.gpus, width - len(cpu) - 3, ascii_only), memory, f"cores {cores}"), width)
    most = len(_READINGS) if len(usage.gpus) == 1 else 1
    forms = [[_gpu(gpu, readings, named=most > 1) for gpu in usage.gpus] for readings in range(most, 0, -1)]
    if not usage.gpus:
        forms = [[f"GPU n/a: {usage.gpu_reason}"]]
    gpus = next((form for form in forms if len("   ".join([cpu, memory, *form])) <= width), forms[-1])
    return _join(cpu, (memory, *gpus, f"cores {cores}"), width)


def _join(first: str, others: Sequence[str], width: int) -> Text:
    """Join the first part with those that fit, most important first; after one that does not fit, none follows."""
    shown = [first]
    for part in others:
        if len("   ".join([*shown, part])) > width:
            break
        shown.append(part)
    return Text("   ".join(shown), no_wrap=True, overflow="ellipsis")


def heat_strip(gpus: Sequence[GpuReading], width: int, ascii_only: bool = False) -> str:
    """Return the utilisation of many GPUs, a cell each, as "GPU 0-7 ▇▁▁▁▅▁▁▁ 2 busy"; only the counts where that is too wide.

    A "?" is an unknown utilisation, as under MIG; a "!" is a GPU that the driver has lost.
    """
    cells = "".join(_heat(gpu, ascii_only) for gpu in gpus)
    measured = [gpu.utilization_percent for gpu in gpus if gpu.utilization_percent is not None]
    busy = f"{sum(percent >= BUSY_PERCENT for percent in measured)} busy" if measured else "busy n/a"
    lost = f", {cells.count('!')} lost" if "!" in cells else ""
    strip = f"GPU {_ranges([gpu.index for gpu in gpus])} {cells} {busy}{lost}"
    return strip if len(strip) <= width else f"{len(gpus)} GPUs, {busy}{lost}"


def _heat(gpu: GpuReading, ascii_only: bool) -> str:
    if gpu.is_lost:
        return "!"
    if gpu.utilization_percent is None:
        return "?"
    return sparkline([gpu.utilization_percent], 1, maximum=100, ascii_only=ascii_only)


def _ranges(indices: Sequence[int]) -> str:
    """Return increasing indices as ranges, such as "0-2,4-7"."""
    starts = [i for i in range(len(indices)) if i == 0 or indices[i] != indices[i - 1] + 1]
    ends = [*(i - 1 for i in starts[1:]), len(indices) - 1]
    pairs = [(indices[start], indices[end]) for start, end in zip(starts, ends, strict=True)]
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in pairs)


_READINGS = (
    ("utilization_percent", "{:3.0f} %"), ("temperature_celsius", "{:.0f} °C"), ("power_watts", "{:3.0f} W"),
    ("sm_clock_mhz", "{:4.0f} MHz"),
)  # fmt: skip
"""Fields of a GPU's reading and their forms, most important first."""


def _gpu(gpu: GpuReading, readings: int, *, named: bool) -> str:
    """Describe a GPU by its first readings; one of several has no name, heat and power here, which its engine's panel shows."""
    figures = [f"GPU {gpu.index} {gpu.name}" if named else f"GPU {gpu.index}"]
    for field, form in _READINGS[:readings]:
        value = getattr(gpu, field)
        figures.append(form.format(value) if value is not None else "n/a")
    if gpu.memory_used_bytes is not None and gpu.memory_total_bytes:
        figures.append(f"{gpu.memory_used_bytes / 1e9:.1f}/{gpu.memory_total_bytes / 1e9:.0f} GB")
    if gpu.throttled:
        figures.append(f"slowed by {gpu.throttled}")
    return " ".join(figures)
