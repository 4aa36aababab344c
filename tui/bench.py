"""`mnist-tui bench`: measures, and prints what it measured."""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterator, Sequence

from engines.api import EngineSpec, bench, paths, to_plain


def measure(specs: Sequence[EngineSpec], what: Sequence[str], *, repeats: int, data_dir: str, json_lines: bool) -> int:
    """Measure, and print a Markdown table or JSON; 1 when something can't be measured."""
    rows: list[bench.Measurement] = []
    if not json_lines:
        print("| what | median | lowest to highest | budget | |\n|---|---|---|---|---|", flush=True)
    try:
        for row in _measurements(specs, what, repeats, data_dir):
            rows.append(row)
            low, high = row.spread
            if not json_lines:
                print(
                    f"| {row.name} | {row.median:.2f} | {low:.2f} to {high:.2f} | {row.budget} | {row.meaning} |",
                    flush=True,
                )
    except bench.BenchError as error:
        print(f"mnist-tui: {error}", file=sys.stderr)
        return 1
    if json_lines:
        print(json.dumps([{**to_plain(row), "median": row.median} for row in rows]))
    return 0


def _measurements(
    specs: Sequence[EngineSpec], what: Sequence[str], repeats: int, data_dir: str
) -> Iterator[bench.Measurement]:
    if "charts" in what:
        from tui.charts.line_chart import Axes, Series, draw

        xs = [float(i) for i in range(5_000)]
        ys = [2.3 / (1 + i / 400) + 0.1 * (i * 2654435761 % 97) / 97 for i in range(5_000)]
        series = [Series("keras", array("d", xs), array("d", [y + k for y in ys]), dashed=k == 1) for k in range(4)]
        yield bench.chart(lambda: draw(series, Axes(), 100, 25), repeats)
    if "startup" in what:
        from tui import bench_startup

        yield from bench_startup.startup(repeats)
    if "workers" in what:
        from tui import bench_startup

        yield from bench_startup.workers(specs, repeats, paths.cache_dir(), data_dir)
    if "ui" in what:
        from tui import bench_ui

        yield from bench_ui.measure(repeats, 20.0, data_dir)
    if "engines" in what:
        yield from bench.engines(specs, repeats, paths.cache_dir(), data_dir)
    if "growth" in what:
        yield from bench.growth(specs, repeats, paths.cache_dir(), data_dir)
