"""What one engine takes of the machine, in two lines: its CPU, and its GPU. What is missing says why."""

from __future__ import annotations

from rich.text import Text

from engines.api import GpuReading, MachineHistory, RunHistory, gpu_index
from tui import formatting
from tui.charts.spark import spark

OS_THREADS_FROM = 52
"""From this width on there is room for the number of threads."""


def cpu(history: RunHistory, room: int, ascii_only: bool) -> Text:
    """Cores used of cores allowed, with a history, memory and threads of the worker's process tree."""
    used = history.usage
    if used is None:
        reason = "no worker" if not history.alive else "not sampled yet"
        return Text(f"CPU n/a: {reason}", style="dim", no_wrap=True)
    head = f"CPU {used.cpu_percent:4.0f} % of {100 * used.cores_allowed} "
    tail = f" RSS {formatting.size(used.rss_bytes)}"
    if room >= OS_THREADS_FROM:
        tail += f" · {used.num_threads} OS threads"
    width = min(max(room - len(head) - len(tail), 0), 40)
    graph = spark(history.cpu_percent, width, maximum=100.0 * used.cores_allowed, ascii_only=ascii_only)
    return Text(head + graph + tail, no_wrap=True)


def gpu(
    history: RunHistory, machine: MachineHistory, energy: tuple[float | None, str], room: int, ascii_only: bool
) -> Text:
    """Of the GPU that it trains on: utilisation, the framework's memory, power, temperature, the run's energy, with histories.

    `energy` is the run's, in joules, or the reason why it is not known.
    """
    seen = machine.usage
    if seen is None:
        return Text("GPU n/a: not sampled yet", style="dim", no_wrap=True)
    if not seen.gpus:
        return Text(f"GPU n/a: {seen.gpu_reason}", style="dim", no_wrap=True)
    device = history.started.device if history.started else "cpu"
    index = gpu_index(device)
    if index is None:
        return Text("GPU not used: runs on the CPU", style="dim", no_wrap=True)
    reading = next((one for one in seen.gpus if one.index == index), None)
    if reading is None:
        return Text(f"GPU n/a: NVML does not list GPU {index}", style="dim", no_wrap=True)
    known = machine.gpus[index]
    held = history.device_memory_bytes
    joules, reason = energy
    figures = [
        (_said(reading, "utilization_percent", "{:3.0f} %"), known.utilization_percent, 100.0),
        (formatting.size(held if held is not None else reading.memory_used_bytes), known.memory_used_bytes,
         float(reading.memory_total_bytes or 0)),
        (_said(reading, "power_watts", "{:3.0f} W"), known.power_watts, reading.power_limit_watts or 0.0),
        (_said(reading, "temperature_celsius", "{:2.0f} °C"), known.temperature_celsius, 100.0),
        (f"energy n/a: {reason}" if joules is None else formatting.energy(joules), (), 0.0),
    ]  # fmt: skip
    head = f"GPU {index}"
    while len(figures) > 1 and len(head) + sum(2 + len(said) for said, *_ in figures) > room:
        figures.pop()
    graphs = sum(maximum > 0 for *_, maximum in figures)
    free = room - len(head) - sum(2 + len(said) for said, *_ in figures)
    width = min(max(free // max(graphs, 1) - 1, 0), 16)
    text = head
    for said, values, maximum in figures:
        text += f"  {said}"
        if maximum > 0 and width > 2:
            text += " " + spark(values, width, maximum=maximum, ascii_only=ascii_only)
    return Text(text, no_wrap=True)


def _said(reading: GpuReading, field: str, form: str) -> str:
    value = getattr(reading, field)
    return "n/a" if value is None else form.format(value)
