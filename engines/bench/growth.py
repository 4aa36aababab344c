"""Measure what could get slower as it grows: a run's steps, the history of its events, and the list of saved runs."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from engines.bench.engines import BenchPlace, WorkerRunner
from engines.bench.measurement import Measurement
from engines.messages.codec import to_plain
from engines.messages.events import Event, TrainProgress
from engines.monitors.cgroups import usable_core_ids
from engines.preset_configs import from_settings
from engines.runs.history import RunHistory
from engines.runs.reader import list_runs
from engines.supervision.registry import EngineSpec

STEPS = 3_000
"""Steps of a real run: Adadelta's averages of dead units would be denormal numbers after half of them."""
BATCH = 16
EVENTS = (10_000, 1_000_000)
"""Lengths of the history at which the time of an event is compared."""
RUNS = (10, 1_000, 10_000)
"""Numbers of saved runs."""
FIRST_RUN = datetime(2026, 1, 1)
LISTED = 50
"""The number of runs that `mnist-tui runs` lists."""


def measure_growth(specs: Sequence[EngineSpec], repeats: int, cache_dir: Path, data_dir: str) -> Iterator[Measurement]:
    """Compare late events and steps with early ones, and time the list of runs. Raises BenchError."""
    yield _measure_history(repeats)
    yield from _measure_run_lists(repeats)
    for spec in specs:
        yield _measure_steps(spec, repeats, cache_dir, data_dir)


def _measure_history(repeats: int) -> Measurement:
    ratios = []
    for _ in range(repeats):
        history, applied, seconds = RunHistory("pytorch"), 0, []
        for end in EVENTS:
            while applied < end - EVENTS[0] // 2:
                history.apply(_progress(applied))
                applied += 1
            events = [_progress(i) for i in range(applied, end)]
            before = time.perf_counter()
            for event in events:
                history.apply(event)
            seconds.append(time.perf_counter() - before)
            applied = end
        ratios.append(seconds[1] / seconds[0])
    return Measurement("an event into the history, step 10^6", "times the seconds at step 10^4", tuple(ratios), "≤ 1.2")


def _progress(step: int) -> Event:
    return TrainProgress(
        engine="pytorch", run_id="growth", seq=step + 1, t=step / 20, epoch=1, step=step + 1, global_step=step + 1,
        samples_seen=128 * (step + 1), loss=2.3 / (1 + step), accuracy=0.5, samples_per_sec=1e4, learning_rate=1.0,
    )  # fmt: skip


def _measure_run_lists(repeats: int) -> Iterator[Measurement]:
    config = json.dumps({"schema": 1, "engines": {"pytorch": to_plain(from_settings({}))}})
    with tempfile.TemporaryDirectory() as folder:
        for count in RUNS:
            for i in range(len(list(Path(folder).iterdir())), count):
                run = Path(folder) / f"{FIRST_RUN + timedelta(seconds=i):%Y%m%d-%H%M%S}-000Z-seed0-0000"
                run.mkdir()
                (run / "config.json").write_text(config)
            seconds = []
            for _ in range(repeats):
                before = time.perf_counter()
                list(islice(list_runs(Path(folder)), LISTED))
                seconds.append(time.perf_counter() - before)
            yield Measurement(f"the last {LISTED} of {count:,} runs listed", "seconds", tuple(seconds), "≤ 0.3")


def _measure_steps(spec: EngineSpec, repeats: int, cache_dir: Path, data_dir: str) -> Measurement:
    worker = WorkerRunner(spec, usable_core_ids(), BenchPlace(cache_dir, data_dir))
    ratios = []
    try:
        for _ in range(repeats):
            events = worker.train(epochs=1, batch_size=BATCH, limit_train=STEPS * BATCH, limit_test=100)
            progress = [event for event in events if isinstance(event, TrainProgress)]
            ratios.append(_seconds_per_step(progress, STEPS - 500, STEPS) / _seconds_per_step(progress, 1, 500))
    finally:
        worker.close()
    return Measurement(
        f"{spec.name}, a step at {STEPS:,}", "times the seconds of the first 500 steps", tuple(ratios), "≤ 1.1"
    )


def _seconds_per_step(progress: Sequence[TrainProgress], first: int, last: int) -> float:
    """Return the mean seconds of a step between two steps."""
    inside = [event for event in progress if first <= event.global_step <= last]
    return (inside[-1].t - inside[0].t) / (inside[-1].global_step - inside[0].global_step)
