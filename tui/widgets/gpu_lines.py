"""The lines of the GPU wall: two for each GPU, one where room is short, more where there is plenty."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from rich.text import Text

from engines.api import GpuDetails, GpuReading
from tui import formatting
from tui.charts.sparkline import sparkline
from tui.gpu_rows import GpuRow

WIDE, WIDEST = 110, 160
"""Widths from which a row has longer names and more on its second line."""
HEAT_SECONDS = 60
"""The least time that the heat shows: a cell of a narrow one is the mean of some seconds."""
FIGURE = 10
"""Columns of "71/150 GB", which is the longest figure of a GPU of today."""
LONGEST_LINKS = 60
"""Columns of the links with words."""
FIELDS = {
    "utilization_percent": "utilisation", "memory_used_bytes": "memory", "temperature_celsius": "temperature",
    "power_watts": "power", "power_limit_watts": "power limit", "sm_clock_mhz": "clock", "memory_clock_mhz": "memory clock",
    "pcie_in": "PCIe", "nvlink_in": "NVLink",
}  # fmt: skip
"""The figures whose absence is explained below the rows."""


def _name_width(width: int) -> int:
    return 12 if width < WIDE else 20


def heat_columns(width: int) -> int:
    """Return the columns of the heat in rows of this width."""
    right = 39 if width < WIDE else 52 if width < WIDEST else 76
    return max(width - 5 - _name_width(width) - FIGURE - 3 - right, 0)


def seconds_per_cell(columns: int) -> int:
    """Return how many readings, one a second, a cell of the heat is the mean of."""
    return math.ceil(HEAT_SECONDS / max(columns, 1))


def _heat(values: Sequence[float | None], samples: int, columns: int, maximum: float, ascii_only: bool) -> str:
    """Draw the newest of `samples` readings; the cells keep their readings, so that nothing shimmers as time goes on."""
    per = seconds_per_cell(columns)
    cells: dict[int, list[float]] = {}
    for i, value in enumerate(values, samples - len(values)):
        known = cells.setdefault(i // per, [])
        if value is not None:
            known.append(value)
    means = [sum(known) / len(known) if known else None for known in cells.values()]
    return sparkline(means, columns, maximum=maximum, ascii_only=ascii_only)


def lines_for(
    row: GpuRow,
    width: int,
    lines: int,
    colors: Mapping[str, str],
    *,
    ascii_only: bool = False,
    heat: bool = True,
    links: bool = False,
    unread: str = "measuring",
) -> list[Text]:
    """Return the lines of one GPU: at most `lines` of them, each at most `width` wide.

    Without `heat`, there are no sparklines. Two lines have room for the processes or the links: `links` chooses. `unread` is why
    there are neither.
    """
    if row.gone:
        return [_gone_line(row, width, colors)]
    if lines == 1:
        return [_short_line(row, width, colors, ascii_only)]
    name_width = _name_width(width)
    spark_width = heat_columns(width) if heat else 0
    reading, history = row.reading, row.history
    style = f"bold {colors['$accent']}" if row.is_busy else ""
    first = Text(no_wrap=True)
    first.append(f" {reading.index:>3} ", style="bold")
    first.append(f"{formatting.truncate(formatting.gpu_name(reading.name), name_width - 1):{name_width}}")
    first.append(f"{_utilization(reading):>{FIGURE}} ", style=style)
    first.append(
        _heat(history.utilization_percent, history.samples, spark_width, 100, ascii_only),
        style=colors["$accent"],
    )
    first.append(f"  {_power(reading):>9} {_celsius(reading):>6} {_clock(reading, width >= WIDE)}")
    if reading.throttled:
        first.append(f" {'!' if ascii_only else '▼'} {reading.throttled}", style=colors["$warning"])
    second = Text(no_wrap=True)
    second.append(f"     {_mark(row):{name_width}}", style=colors["$detail"])
    second.append(f"{_memory(reading):>{FIGURE}} ")
    total = reading.memory_total_bytes or 0
    second.append(
        _heat(history.memory_used_bytes, history.samples, spark_width, total, ascii_only),
        style=colors["$success"],
    )
    second.append("  ")
    column = second.cell_len
    below = list(_more_lines(reading, lines - 1, width - column, links, unread))
    second.append_text(below[0])
    return [_cut(line, width) for line in (first, second, *(Text(" " * column) + line for line in below[1:]))]


def _more_lines(reading: GpuReading, lines: int, width: int, links: bool, unread: str) -> Iterator[Text]:
    """Yield the right side from the second line on: links and processes in `lines` lines, or one of the two in one."""
    details = reading.details
    if details is None:
        yield Text(f"links, processes: {unread}", style="dim")
        return
    holders = [_holder(details, i) for i in range(len(details.holders))]
    if lines > 1 or links or not holders:
        yield Text(_links(details, short=width < LONGEST_LINKS), style="" if lines > 1 or links else "dim")
    if not holders or (lines == 1 and links):
        return
    each = max(lines - 2, 0)
    yield from holders[:each]
    if holders[each:]:
        yield _listed(holders[each:], width)


def _holder(details: GpuDetails, i: int) -> Text:
    """Describe a process by user, name, and memory; by its number alone where this machine does not show it."""
    holder = details.holders[i]
    name = formatting.to_plain_text(f"{holder.user} {holder.name}") if holder.name else f"process {holder.pid}"
    memory = f" {holder.memory_bytes / 1e9:.1f} GB" if holder.memory_bytes is not None else ""
    return Text(f"{'ours: ' * holder.ours}{name}{memory}", style="bold" if holder.ours else "")


def _listed(holders: Sequence[Text], width: int) -> Text:
    """Join as many processes as fit, and the number of the others."""
    for count in range(len(holders), 0, -1):
        rest = f" +{len(holders) - count}" if count < len(holders) else ""
        text = Text(", ").join(holders[:count]) + Text(rest)
        if text.cell_len <= width or count == 1:
            return text
    return Text()


def _links(details: GpuDetails, *, short: bool) -> str:
    """Return what PCIe and NVLink carry in and out, in GB/s."""
    links = {"NVLink": (details.nvlink_in, details.nvlink_out), "PCIe": (details.pcie_in, details.pcie_out)}
    texts: list[str] = []
    unit = " GB/s"
    for name, (into, out) in links.items():
        if into is None or out is None:
            texts.insert(0, f"{name} n/a")
        elif short:
            texts.insert(0, f"{name} {into / 1e9:.1f}/{out / 1e9:.1f}{unit}")
            unit = ""  # the last one has it
        else:
            texts.insert(0, f"{name} in {into / 1e9:.1f}, out {out / 1e9:.1f} GB/s")
    return "  ".join(texts)


def _short_line(row: GpuRow, width: int, colors: Mapping[str, str], ascii_only: bool) -> Text:
    """Return all of a GPU in one line, for boxes that have more GPUs than there is room for two lines each."""
    reading, history = row.reading, row.history
    spark = 8 if width < WIDE else 20
    text = Text(no_wrap=True)
    text.append(f" {reading.index:>3} ", style="bold")
    text.append(f"{_utilization(reading):>5} ", style="bold" if row.is_busy else "")
    text.append(_heat(history.utilization_percent, history.samples, spark, 100, ascii_only), colors["$accent"])
    text.append(f" {_memory(reading):>{FIGURE}} ")
    text.append(
        _heat(history.memory_used_bytes, history.samples, spark, reading.memory_total_bytes or 0, ascii_only),
        colors["$success"],
    )
    text.append(f" {_power(reading):>9} {_celsius(reading):>6} ")
    if reading.throttled:
        text.append(f"{'!' if ascii_only else '▼'} {reading.throttled} ", style=colors["$warning"])
    details = reading.details
    holders = [_holder(details, i) for i in range(len(details.holders))] if details is not None else []
    text.append_text(_listed(holders, width - text.cell_len))
    return _cut(text, width)


def _gone_line(row: GpuRow, width: int, colors: Mapping[str, str]) -> Text:
    name = formatting.gpu_name(row.reading.name)
    text = Text(f" {row.reading.index:>3} {name}  n/a: {row.gone}", style=colors["$error"], no_wrap=True)
    return _cut(text, width)


def _cut(line: Text, width: int) -> Text:
    if line.cell_len > width:
        line.truncate(width, overflow="ellipsis")
    return line


def reasons(rows: Sequence[GpuRow]) -> list[str]:
    """Return why figures are missing, one sentence for each figure and reason, with the GPUs that it holds for."""
    found: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        details = row.reading.details
        missing = () if row.gone else (*row.reading.missing, *(details.missing if details is not None else ()))
        for field, reason in missing:
            if field in FIELDS:
                found.setdefault((FIELDS[field], reason), []).append(row.reading.index)
    fields: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for (field, reason), gpus in found.items():
        fields.setdefault((reason, tuple(sorted(gpus))), []).append(field)
    every = len([row for row in rows if not row.gone])
    return [
        f"n/a: {', '.join(names)}{'' if len(gpus) == every else f' of GPU {_list(gpus)}'}: {reason}"
        for (reason, gpus), names in fields.items()
    ]


def _list(gpus: Sequence[int]) -> str:
    return ", ".join(map(str, gpus))


def _mark(row: GpuRow) -> str:
    return {None: "", True: "visible", False: "hidden"}[row.visible]


def _utilization(reading: GpuReading) -> str:
    return "n/a" if reading.utilization_percent is None else f"{reading.utilization_percent:.0f} %"


def _memory(reading: GpuReading) -> str:
    used, total = reading.memory_used_bytes, reading.memory_total_bytes
    return "n/a" if used is None or total is None else f"{used / 1e9:.0f}/{total / 1e9:.0f} GB"


def _power(reading: GpuReading) -> str:
    if reading.power_watts is None:
        return "n/a"
    limit = f"/{reading.power_limit_watts:.0f}" if reading.power_limit_watts is not None else ""
    return f"{reading.power_watts:.0f}{limit} W"


def _celsius(reading: GpuReading) -> str:
    return "n/a" if reading.temperature_celsius is None else f"{reading.temperature_celsius:.0f} °C"


def _clock(reading: GpuReading, with_memory: bool) -> str:
    """Return the clock of the cores, and that of the memory after a slash where there is room."""
    clock = "n/a" if reading.sm_clock_mhz is None else f"{reading.sm_clock_mhz:.0f}"
    memory = reading.details.memory_clock_mhz if reading.details is not None else None
    if with_memory and reading.details is not None:
        clock += f"/{'n/a' if memory is None else f'{memory:.0f}'}"
    return clock if clock in ("n/a", "n/a/n/a") else f"{clock} MHz"
