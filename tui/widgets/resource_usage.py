"""The resources that one engine uses, in two lines: CPU and GPU. A missing figure says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.text import Text

from engines.api import GpuReading, MachineHistory, RunHistory, gpus_of, plural
from tui import formatting
from tui.charts.sparkline import sparkline
from tui.widgets.line_fit import Part, fit_parts
from tui.widgets.text_line import TextLine

OS_THREADS_WIDTH = 52
"""Narrowest line that shows the number of threads."""
OWNER_WIDTH = 64
"""Narrowest line that labels a GPU figure which is not this engine's alone."""


class ResourceUsage(TextLine):
    """Two lines with the resources of one engine."""

    def show(
        self,
        history: RunHistory,
        machine: MachineHistory,
        energy: tuple[float | None, str],
        width: int,
        ascii_only: bool,
    ) -> None:
        """Show both lines; `energy` is the run's, in joules, or None and the reason why it is unknown."""
        self.set_text(cpu(history, width, ascii_only), gpu(history, machine, energy, width, ascii_only))


def cpu(history: RunHistory, width: int, ascii_only: bool) -> Text:
    """Render the CPU use of the worker's process tree, with a history, and its memory and threads."""
    usage = history.usage
    if usage is None:
        reason = "no worker" if not history.alive else "not sampled yet"
        return Text(f"CPU n/a: {reason}", style="dim", no_wrap=True)
    parts = [
        Part("cpu", (f"CPU {usage.cpu_percent:4.0f} %",)),
        Part("allowed", (f" of {100 * usage.cores_allowed}", "")),
        Part("memory", (f"  RSS {formatting.size(usage.rss_bytes)}",)),
        Part("threads", (f" · {plural(usage.num_threads, 'OS thread')}" if width >= OS_THREADS_WIDTH else "", "")),
    ]
    texts = fit_parts(parts, width)
    head, tail = f"{texts[0]}{texts[1]} ", "".join(texts[2:]).removeprefix(" ")
    graph_width = min(max(width - len(head) - len(tail), 0), 40)
    graph = sparkline(history.cpu_percent, graph_width, maximum=100.0 * usage.cores_allowed, ascii_only=ascii_only)
    return Text(head + graph + tail, no_wrap=True)


def gpu(
    history: RunHistory, machine: MachineHistory, energy: tuple[float | None, str], width: int, ascii_only: bool
) -> Text:
    """Render the use of the engine's GPU: utilisation, memory, power, temperature, energy, with histories where they fit.

    For several GPUs: mean utilisation, total memory and power, highest temperature.
    `energy` is the run's, in joules, or None and the reason why it is unknown.
    """
    gpus = gpus_of(history, machine)
    if problem := gpu_problem(history, machine, gpus):
        return Text(problem, style="dim", no_wrap=True)
    head = f"GPU {'+'.join(str(gpu.index) for gpu in gpus)}"
    figures = _gpu_figures(history, machine, gpus, energy, width)
    while len(figures) > 1 and len(head) + sum(2 + len(figure.text) for figure in figures) > width:
        figures.pop()
    graphs = sum(figure.maximum > 0 for figure in figures)
    room = width - len(head) - sum(2 + len(figure.text) for figure in figures)
    graph_width = min(max(room // max(graphs, 1) - 1, 0), 16)
    text = head
    for figure in figures:
        text += f"  {figure.text}"
        if figure.maximum > 0 and graph_width > 2:
            text += " " + sparkline(figure.history, graph_width, maximum=figure.maximum, ascii_only=ascii_only)
    return Text(text, no_wrap=True)


class _Figure(NamedTuple):
    text: str
    history: list[float | None]
    maximum: float
    """Upper end of the history's graph; 0 for a figure without a graph."""


def gpu_problem(history: RunHistory, machine: MachineHistory, gpus: Sequence[GpuReading]) -> str:
    """Return the reason why there are no GPU figures; empty where there are."""
    if machine.usage is None:
        return "GPU n/a: not sampled yet"
    if not machine.usage.gpus:
        return f"GPU n/a: {machine.usage.gpu_reason}"
    device = history.started.device if history.started else "cpu"
    if device.startswith("cpu"):
        return "GPU not used: runs on the CPU"
    if len(gpus) < device.count(",") + 1:
        return f"GPU n/a: the driver lists no {device}"
    return ""


def _gpu_figures(
    history: RunHistory,
    machine: MachineHistory,
    gpus: Sequence[GpuReading],
    energy: tuple[float | None, str],
    width: int,
) -> list[_Figure]:
    """Return the figures of these GPUs together, most important first."""

    def current(field: str, combine: _Combine) -> float | None:
        return _combined([getattr(gpu, field) for gpu in gpus], combine)

    def past(field: str, combine: _Combine) -> list[float | None]:
        series = [getattr(machine.gpus[gpu.index], field) for gpu in gpus]
        return [_combined(values, combine) for values in zip(*series, strict=False)]

    utilization = _utilization(history, current("utilization_percent", _mean), width)
    memory = _memory(history, current("memory_used_bytes", sum), width)
    power = _format(current("power_watts", sum), "{:3.0f} W")
    temperature = _format(current("temperature_celsius", max), "{:2.0f} °C")
    joules, reason = energy
    return [
        _Figure(utilization, past("utilization_percent", _mean), 100.0),
        _Figure(memory, past("memory_used_bytes", sum), current("memory_total_bytes", sum) or 0.0),
        _Figure(power, past("power_watts", sum), current("power_limit_watts", sum) or 0.0),
        _Figure(temperature, past("temperature_celsius", max), 100.0),
        _Figure(f"energy n/a: {reason}" if joules is None else formatting.energy(joules), [], 0.0),
    ]


def _utilization(history: RunHistory, total: float | None, width: int) -> str:
    """Return the engine's share of the GPU's utilisation and the total, or the total alone where the driver has no shares."""
    share = history.usage.gpu_percent if history.usage else None
    if share is None or total is None:
        return _format(total, "{:3.0f} %" + " in all" * (width >= OWNER_WIDTH))
    return f"{share:.0f} of {total:.0f} %"


def _memory(history: RunHistory, total: float | None, width: int) -> str:
    """Return the process's GPU memory by the driver, else by the framework's allocator, else that of all processes."""
    if history.usage and history.usage.gpu_memory_bytes is not None:
        return formatting.size(history.usage.gpu_memory_bytes)
    allocated = history.device_memory_bytes
    used, label = (total, " in all") if allocated is None else (allocated, " allocated")
    return formatting.size(used) + label * (used is not None and width >= OWNER_WIDTH)


_Combine = Callable[[list[float]], float]


def _combined(values: Sequence[float | None], combine: _Combine) -> float | None:
    """Combine the values of several GPUs; None when one of them is missing."""
    present = [value for value in values if value is not None]
    return combine(present) if len(present) == len(values) else None


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _format(value: float | None, form: str) -> str:
    return "n/a" if value is None else form.format(value)
