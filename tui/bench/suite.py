"""`mnist-tui bench`: run the chosen measurements and print them."""

from __future__ import annotations

import json
import sys
import time
from array import array
from collections.abc import Iterator, Sequence

from engines.api import (
    BenchError,
    BenchPlace,
    EngineSpec,
    Measurement,
    measure_engines,
    measure_growth,
    paths,
    to_plain,
)


def measure(
    specs: Sequence[EngineSpec], what: Sequence[str], *, repeats: int, data_dir: str, device: str, json_lines: bool
) -> int:
    """Measure and print a Markdown table or JSON; return the exit code, 1 when something can't be measured."""
    rows: list[Measurement] = []
    if not json_lines:
        print("| what | median | lowest to highest | budget | |\n|---|---|---|---|---|", flush=True)
    try:
        for row in _measurements(specs, what, repeats, data_dir, device):
            rows.append(row)
            low, high = row.spread
            if not json_lines:
                print(
                    f"| {row.name} | {row.median:.2f} | {low:.2f} to {high:.2f} | {row.budget} | {row.meaning} |",
                    flush=True,
                )
    except BenchError as error:
        print(f"mnist-tui: {error}", file=sys.stderr)
        return 1
    if json_lines:
        print(json.dumps([{**to_plain(row), "median": row.median} for row in rows]))
    return 0


def _measurements(
    specs: Sequence[EngineSpec], what: Sequence[str], repeats: int, data_dir: str, device: str
) -> Iterator[Measurement]:
    if "charts" in what:
        yield _measure_chart(repeats)
    if "startup" in what:
        from tui.bench import startup

        yield from startup.measure_startup(repeats)
    if "workers" in what:
        from tui.bench import startup

        yield from startup.measure_workers(specs, repeats, paths.cache_dir(), data_dir)
    if "ui" in what:
        from tui.bench import app

        yield from app.measure_app(repeats, 20.0, data_dir)
    if "engines" in what:
        yield from measure_engines(specs, repeats, BenchPlace(paths.cache_dir(), data_dir, device))
    if "growth" in what:
        yield from measure_growth(specs, repeats, paths.cache_dir(), data_dir)


def _measure_chart(repeats: int) -> Measurement:
    """Measure the milliseconds to draw four curves of 5,000 points."""
    from tui.charts.braille import Axes, Series, draw

    xs = [float(i) for i in range(5_000)]
    ys = [2.3 / (1 + i / 400) + 0.1 * (i * 2654435761 % 97) / 97 for i in range(5_000)]
    series = [Series("keras", array("d", xs), array("d", [y + k for y in ys]), dashed=k == 1) for k in range(4)]
    draw(series, Axes(), 100, 25)
    milliseconds = []
    for _ in range(max(repeats, 20)):
        before = time.perf_counter()
        draw(series, Axes(), 100, 25)
        milliseconds.append(1000 * (time.perf_counter() - before))
    return Measurement("chart 100x25, 4 x 5,000 points", "milliseconds", tuple(milliseconds), "≤ 2")
