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
    parts = [
        f"CPU {usage.cpu_percent:3.0f} % {sparkline(history.cpu_percent, 12, maximum=100, ascii_only=ascii_only)}",
        f"RAM {usage.memory_used_bytes / 1e9:.1f}/{usage.memory_total_bytes / 1e9:.1f} GB",
    ]
    parts += [_gpu(gpu, alone=len(usage.gpus) == 1) for gpu in usage.gpus]
    if not usage.gpus:
        parts.append(f"GPU n/a: {usage.gpu_reason}")
    shown = [f" machine  {parts[0]}"]
    for part in (*parts[1:], f"cores {cores}"):  # the least important last
        if len("   ".join([*shown, part])) <= width:
            shown.append(part)
    return Text("   ".join(shown), no_wrap=True, overflow="ellipsis")


def _gpu(gpu: GpuReading, *, alone: bool) -> str:
    """Describe one GPU; one of several without name, clock, heat and power, which its engine's panel shows."""
    figures = [f"GPU {gpu.index} {gpu.name}" if alone else f"GPU {gpu.index}"]
    readings = (
        (gpu.utilization_percent, "{:3.0f} %"), (gpu.temperature_celsius, "{:.0f} °C"), (gpu.power_watts, "{:3.0f} W"),
        (gpu.sm_clock_mhz, "{:4.0f} MHz"),
    )  # fmt: skip
    figures += [form.format(value) if value is not None else "n/a" for value, form in readings[: None if alone else 1]]
    if gpu.memory_used_bytes is not None and gpu.memory_total_bytes:
        figures.append(f"{gpu.memory_used_bytes / 1e9:.1f}/{gpu.memory_total_bytes / 1e9:.0f} GB")
    if gpu.throttled:
        figures.append(f"slowed by {gpu.throttled}")
    return " ".join(figures)
