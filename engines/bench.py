"""Measurements, interleaved and repeated in one run: every figure a ratio to something plain, with its spread.

The baselines are written as their authors would write them (`engines/worker/*_plain.py`); on a shared machine compare ratios, not
seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from engines.bench_engines import engines
from engines.bench_growth import growth
from engines.measurement import BenchError, Measurement

__all__ = ["BenchError", "Measurement", "chart", "engines", "growth"]


def chart(draw: Callable[[], object], repeats: int) -> Measurement:
    """Milliseconds of one drawing of the chart that the front end gives."""
    draw()
    figures = []
    for _ in range(max(repeats, 20)):
        before = time.perf_counter()
        draw()
        figures.append(1000 * (time.perf_counter() - before))
    return Measurement("chart 100x25, 4 x 5,000 points", "milliseconds", tuple(figures), "≤ 2")
