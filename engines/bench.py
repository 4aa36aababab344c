"""Measurements, interleaved and repeated in one run: every figure a ratio to something plain, with its spread.

The baselines are written as their authors would write them (`engines/worker/*_plain.py`); on a shared machine compare ratios, not
seconds.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.events import Event, RunFailed
from engines.monitors.limits import usable_core_ids
from engines.supervisor import EngineSpec, Supervisor

TRAIN_DIGITS = 12_800
"""Digits that each repeat trains on: a hundred steps."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """A ratio: how often the plain thing's time goes into ours, or the other way round, as `meaning` says."""

    name: str
    meaning: str
    ratios: tuple[float, ...]
    budget: str

    @property
    def median(self) -> float:
        """Of the repeats."""
        return statistics.median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """Lowest and highest repeat."""
        return min(self.ratios), max(self.ratios)


class BenchError(Exception):
    """Something could not be measured; the message says why."""


def engines(specs: Sequence[EngineSpec], repeats: int, cache_dir: Path, data_dir: str) -> Iterator[Measurement]:
    """Training speed alone on all cores, against the plain script of the same model. Raises BenchError."""
    for spec in specs:
        ratios = []
        for _ in range(repeats):
            seconds = {kind: _seconds(spec, kind, cache_dir, data_dir) for kind in ("plain", "ours")}
            ratios.append(seconds["plain"] / seconds["ours"])
        budget = {"pytorch": "≥ 1.6", "keras": "≥ 1.1"}.get(spec.name, "")
        yield Measurement(f"{spec.name} training", "times the plain script's speed", tuple(ratios), budget)


def _seconds(spec: EngineSpec, kind: str, cache_dir: Path, data_dir: str) -> float:
    failures: list[str] = []

    def hear(event: Event) -> None:
        if isinstance(event, RunFailed):
            failures.append(event.message)

    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "seconds"
        cores = usable_core_ids()
        arguments = ["--bench", str(answer), kind, str(TRAIN_DIGITS), data_dir]
        worker = Supervisor(spec, hear, cache_dir=cache_dir, cores=cores, threads=len(cores), arguments=arguments)
        thread = threading.Thread(target=worker.run)
        thread.start()
        thread.join()
        if failures or not answer.exists():
            raise BenchError(" ".join(failures) or f"{spec.title} ended without an answer.")
        return float(answer.read_text())


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
