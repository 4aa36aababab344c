"""Measurements, interleaved and repeated in one run: every figure a ratio to something plain, with its spread.

The baselines are written as their authors would write them (`engines/worker/*_plain.py`); on a shared machine compare ratios, not
seconds.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from engines.bench_engines import engines
from engines.bench_growth import growth
from engines.measurement import BenchError, Measurement

__all__ = ["BenchError", "Measurement", "chart", "engines", "growth", "startup"]


def startup(repeats: int) -> Iterator[Measurement]:
    """`--version` against a Python that does nothing, and the app's first paint against an empty Textual app."""
    version = "from tui.cli import main; main(['--version'])"
    yield _compare("--version", version, "import argparse", repeats, "≤ 1.5")
    paint = """
import asyncio
from textual.app import App
{make}
async def paint():
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
asyncio.run(paint())
"""
    ours = """
import threading
from tui.app import MnistApp
from tui.replay import Replay
app = MnistApp(session=Replay([]))
"""
    yield _compare("first paint", paint.format(make=ours), paint.format(make="app = App()"), repeats, "≤ 1.25")


def _compare(name: str, ours: str, plain: str, repeats: int, budget: str) -> Measurement:
    ratios = [_timed(ours) / _timed(plain) for _ in range(repeats)]
    return Measurement(name, "times the plain program's seconds", tuple(ratios), budget)


def _timed(script: str) -> float:
    before = time.perf_counter()
    subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - before


def chart(draw: Callable[[], object], repeats: int) -> Measurement:
    """Milliseconds of one drawing of the chart that the front end gives."""
    draw()
    figures = []
    for _ in range(max(repeats, 20)):
        before = time.perf_counter()
        draw()
        figures.append(1000 * (time.perf_counter() - before))
    return Measurement("chart 100x25, 4 x 5,000 points", "milliseconds", tuple(figures), "≤ 2")
