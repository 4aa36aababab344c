"""`mnist-tui bench scaling`: measure the frameworks on 1, 2, 4 and 8 devices, and print a table of it."""

from __future__ import annotations

import json
import statistics
import sys
import textwrap
from collections.abc import Sequence

from engines.api import BenchPlace, EngineSpec, ScalingRow, measure_scaling, paths, scaling_notes, to_plain
from tui.formatting import to_plain_text

HEAD = (
    "| framework | devices | img/s | lowest to highest | speed-up | efficiency | joules an epoch |\n"
    "|---|---|---|---|---|---|---|"
)
NOTE_WIDTH = 100


def measure(
    specs: Sequence[EngineSpec], device: str, batch_size: int, *, repeats: int, data_dir: str, json_lines: bool
) -> int:
    """Measure and print a Markdown table or JSON; return the exit code, 1 when something can't be measured."""
    rows: list[ScalingRow] = []
    if not json_lines:
        print(HEAD, flush=True)
    place = BenchPlace(paths.cache_dir(), data_dir)
    for row in measure_scaling(specs, device, batch_size, repeats, place, _report):
        rows.append(row)
        if not json_lines:
            print(to_plain_text(table_line(row)), flush=True)
    if json_lines:
        print(json.dumps([to_plain(row) for row in rows]))
    else:
        for note in scaling_notes(rows):
            print(f"\n{textwrap.fill(note, NOTE_WIDTH)}")
    return 1 if any(row.problem for row in rows) else 0


def _report(text: str) -> None:
    print(to_plain_text(text), file=sys.stderr, flush=True)


def table_line(row: ScalingRow) -> str:
    """Return a row of the table; "n/a: reason" stands for what could not be measured."""
    cells = [row.engine, ",".join(row.devices)]
    if row.problem:
        return _join([*cells, f"n/a: {row.problem}", "", "", "", ""])
    speeds = row.images_per_second
    joules = f"n/a: {row.joules_reason}" if row.joules_per_epoch is None else f"{row.joules_per_epoch:,.0f}"
    cells += [f"{statistics.median(speeds):,.0f}", f"{min(speeds):,.0f} to {max(speeds):,.0f}"]
    cells += ["n/a" if row.speedup is None else f"{row.speedup:.2f}"]
    cells += ["n/a" if row.efficiency_percent is None else f"{row.efficiency_percent:.0f} %", joules]
    return _join(cells)


def _join(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
