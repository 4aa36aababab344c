"""What one engine takes of the machine, in two lines: its CPU, and its GPU. What is missing says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.text import Text

from engines.api import MachineHistory, RunHistory, gpus_of, plural
from tui import formatting
from tui.charts.sparkline import spark

OS_THREADS_FROM = 52
"""From this width on there is room for the number of threads."""
LABELS_FROM = 64
"""From this width on there is room to say whose a GPU's figure is, where it is not this framework's alone."""


def cpu(history: RunHistory, room: int, ascii_only: bool) -> Text:
    """Cores used of cores allowed, with a history, memory and threads of the worker's process tree."""
    used = history.usage
    if used is None:
        reason = "no worker" if not history.alive else "not sampled yet"
        return Text(f"CPU n/a: {reason}", style="dim", no_wrap=True)
    head = f"CPU {used.cpu_percent:4.0f} % of {100 * used.cores_allowed} "
    tail = f" RSS {formatting.size(used.rss_bytes)}"
    if room >= OS_THREADS_FROM:
        tail += f" · {plural(used.num_threads, 'OS thread')}"
    width = min(max(room - len(head) - len(tail), 0), 40)
    graph = spark(history.cpu_percent, width, maximum=100.0 * used.cores_allowed, ascii_only=ascii_only)
    return Text(head + graph + tail, no_wrap=True)


def gpu(
    history: RunHistory, machine: MachineHistory, energy: tuple[float | None, str], room: int, ascii_only: bool
) -> Text:
    """Of the GPU that it trains on: utilisation, the framework's memory, power, temperature, the run's energy, with histories.

    Of several: the mean utilisation, all memory and power, the hottest one's temperature.

    `energy` is the run's, in joules, or the reason why it is not known.
    """
    seen = machine.usage
    if seen is None:
        return Text("GPU n/a: not sampled yet", style="dim", no_wrap=True)
    if not seen.gpus:
        return Text(f"GPU n/a: {seen.gpu_reason}", style="dim", no_wrap=True)
    device = history.started.device if history.started else "cpu"
    if device.startswith("cpu"):
        return Text("GPU not used: runs on the CPU", style="dim", no_wrap=True)
    own = gpus_of(history, machine)
    if len(own) < device.count(",") + 1:
        return Text(f"GPU n/a: the driver lists no {device}", style="dim", no_wrap=True)

    def now(field: str, how: _How) -> float | None:
        return _together([getattr(one, field) for one in own], how)

    def past(field: str, how: _How) -> list[float | None]:
        return [_together(m, how) for m in zip(*(getattr(machine.gpus[one.index], field) for one in own), strict=False)]

    joules, reason = energy
    figures = [
        (_busy(history, now("utilization_percent", _mean), room), past("utilization_percent", _mean), 100.0),
        (_held(history, now("memory_used_bytes", sum), room), past("memory_used_bytes", sum),
         now("memory_total_bytes", sum) or 0.0),
        (_said(now("power_watts", sum), "{:3.0f} W"), past("power_watts", sum), now("power_limit_watts", sum) or 0.0),
        (_said(now("temperature_celsius", max), "{:2.0f} °C"), past("temperature_celsius", max), 100.0),
        (f"energy n/a: {reason}" if joules is None else formatting.energy(joules), [], 0.0),
    ]  # fmt: skip
    head = f"GPU {'+'.join(str(one.index) for one in own)}"
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


def _busy(history: RunHistory, in_all: float | None, room: int) -> str:
    """Its own share of the GPU's time and the whole, where the driver tells them apart; else what all take together."""
    share = history.usage.gpu_percent if history.usage else None
    if share is None or in_all is None:
        return _said(in_all, "{:3.0f} %" + " in all" * (room >= LABELS_FROM))
    return f"{share:.0f} of {in_all:.0f} %"


def _held(history: RunHistory, in_all: float | None, room: int) -> str:
    """What its process holds, by the driver; else what its framework's allocator says, or what all hold together."""
    if history.usage and history.usage.gpu_memory_bytes is not None:
        return formatting.size(history.usage.gpu_memory_bytes)
    known, label = (
        (in_all, " in all") if history.device_memory_bytes is None else (history.device_memory_bytes, " allocated")
    )
    return formatting.size(known) + label * (known is not None and room >= LABELS_FROM)


_How = Callable[[list[float]], float]


def _together(values: Sequence[float | None], how: _How) -> float | None:
    """One figure for several GPUs; None where one of them can't be read."""
    known = [value for value in values if value is not None]
    return how(known) if len(known) == len(values) else None


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _said(value: float | None, form: str) -> str:
    return "n/a" if value is None else form.format(value)
