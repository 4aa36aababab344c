"""The machine line: CPU, memory and GPUs of the whole machine."""

from __future__ import annotations

from rich.text import Text

from engines.api import (
    GpuReading,
    MachineHistory,
)
from tui.charts.sparkline import spark

ROOMY = 110
"""From this width on, each lane says in words what it is doing."""


def _gpu(gpu: GpuReading, *, alone: bool) -> str:
    """One GPU; where it is one of several, without name, clock, heat and power, which its engine's pane has."""
    figures = [f"GPU {gpu.index} {gpu.name}" if alone else f"GPU {gpu.index}"]
    every = (
        (gpu.utilization_percent, "{:3.0f} %"), (gpu.temperature_celsius, "{:.0f} °C"), (gpu.power_watts, "{:3.0f} W"),
        (gpu.sm_clock_mhz, "{:4.0f} MHz"),
    )  # fmt: skip
    figures += [form.format(value) if value is not None else "n/a" for value, form in every[: None if alone else 1]]
    if gpu.memory_used_bytes is not None and gpu.memory_total_bytes:
        figures.append(f"{gpu.memory_used_bytes / 1e9:.1f}/{gpu.memory_total_bytes / 1e9:.0f} GB")
    if gpu.throttled:
        figures.append(f"slowed by {gpu.throttled}")
    return " ".join(figures)


def machine(history: MachineHistory, width: int, ascii_only: bool) -> Text:
    """CPU, cores, memory and GPUs of the whole machine."""
    usage = history.usage
    if usage is None:
        return Text(" machine  measuring…", style="dim", no_wrap=True)
    cores = spark(usage.per_core, min(len(usage.per_core), 16), maximum=100, ascii_only=ascii_only)
    parts = [
        f"CPU {usage.cpu_percent:3.0f} % {spark(history.cpu_percent, 12, maximum=100, ascii_only=ascii_only)}",
        f"cores {cores}",
        f"RAM {usage.memory_used_bytes / 1e9:.1f}/{usage.memory_total_bytes / 1e9:.1f} GB",
    ]
    parts += [_gpu(gpu, alone=len(usage.gpus) == 1) for gpu in usage.gpus]
    if not usage.gpus:
        parts.append(f"GPU n/a: {usage.gpu_reason}")
    text = " machine  " + parts[0]
    for part in parts[1:]:  # whole or not at all
        text += f"   {part}" if len(text) + 3 + len(part) <= width else ""
    return Text(text, no_wrap=True, overflow="ellipsis")
