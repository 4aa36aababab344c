"""The line about the whole machine: its CPU, memory and GPUs."""

from __future__ import annotations

from rich.text import Text

from engines.api import GpuReading, MachineHistory
from tui.charts.sparkline import sparkline


def render_machine(history: MachineHistory, width: int, ascii_only: bool) -> Text:
    """Render CPU, cores, memory and each GPU in one line; what does not fit is left out, the cores first."""
    usage = history.usage
    if usage is None:
        return Text(" machine  measuring…", style="dim", no_wrap=True)
    cores = sparkline(usage.per_core, min(len(usage.per_core), 16), maximum=100, ascii_only=ascii_only)
    cpu = f" machine  CPU {usage.cpu_percent:3.0f} % {sparkline(history.cpu_percent, 12, maximum=100, ascii_only=ascii_only)}"
    memory = f"RAM {usage.memory_used_bytes / 1e9:.1f}/{usage.memory_total_bytes / 1e9:.1f} GB"
    most = len(_READINGS) if len(usage.gpus) == 1 else 1
    forms = [[_gpu(gpu, readings, named=most > 1) for gpu in usage.gpus] for readings in range(most, 0, -1)]
    if not usage.gpus:
        forms = [[f"GPU n/a: {usage.gpu_reason}"]]
    gpus = next((form for form in forms if len("   ".join([cpu, memory, *form])) <= width), forms[-1])
    shown = [cpu]
    for part in (memory, *gpus, f"cores {cores}"):  # most important first
        if len("   ".join([*shown, part])) > width:
            break
        shown.append(part)
    return Text("   ".join(shown), no_wrap=True, overflow="ellipsis")


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
