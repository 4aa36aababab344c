"""Whether anything gets slower as it grows: a run's steps, the fold over its events, the list of kept runs."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from engines.bench.engines import WorkerRunner
from engines.bench.measurement import Measurement
from engines.messages.codec import to_plain
from engines.messages.events import Event, TrainProgress
from engines.monitors.cgroups import usable_core_ids
from engines.preset_configs import from_settings
from engines.runs.history import RunHistory
from engines.runs.reader import list_runs
from engines.supervision.registry import EngineSpec

STEPS = 3_000
"""Of a real run: Adadelta's averages of dead units would be denormal numbers after half of them."""
BATCH = 16
EVENTS = (10_000, 1_000_000)
RUNS = (10, 1_000, 10_000)
FIRST_RUN = datetime(2026, 1, 1)
SHOWN = 50
"""Runs that `mnist-tui runs` lists."""


def measure_growth(specs: Sequence[EngineSpec], repeats: int, cache_dir: Path, data_dir: str) -> Iterator[Measurement]:
    """Late against early, and seconds of the list. Raises BenchError."""
    yield _folds(repeats)
    yield from _lists(repeats)
    for spec in specs:
        yield _steps(spec, repeats, cache_dir, data_dir)


def _folds(repeats: int) -> Measurement:
    found = []
    for _ in range(repeats):
        history, at, seconds = RunHistory("pytorch"), 0, []
        for end in EVENTS:
            while at < end - EVENTS[0] // 2:
                history.apply(_progress(at))
                at += 1
            events = [_progress(i) for i in range(at, end)]
            before = time.perf_counter()
            for event in events:
                history.apply(event)
            seconds.append(time.perf_counter() - before)
            at = end
        found.append(seconds[1] / seconds[0])
    return Measurement("an event into the history, step 10^6", "times the seconds at step 10^4", tuple(found), "≤ 1.2")


def _progress(step: int) -> Event:
    return TrainProgress(
        engine="pytorch", run_id="growth", seq=step + 1, t=step / 20, epoch=1, step=step + 1, global_step=step + 1,
        samples_seen=128 * (step + 1), loss=2.3 / (1 + step), accuracy=0.5, samples_per_sec=1e4, learning_rate=1.0,
    )  # fmt: skip


def _lists(repeats: int) -> Iterator[Measurement]:
    config = json.dumps({"schema": 1, "engines": {"pytorch": to_plain(from_settings({}))}})
    with tempfile.TemporaryDirectory() as folder:
        for count in RUNS:
            for made in range(len(list(Path(folder).iterdir())), count):
                run = Path(folder) / f"{FIRST_RUN + timedelta(seconds=made):%Y%m%d-%H%M%S}-000Z-seed0-0000"
                run.mkdir()
                (run / "config.json").write_text(config)
            found = []
            for _ in range(repeats):
                before = time.perf_counter()
                list(islice(list_runs(Path(folder)), SHOWN))
                found.append(time.perf_counter() - before)
            yield Measurement(f"the last {SHOWN} of {count:,} runs listed", "seconds", tuple(found), "≤ 0.3")


def _steps(spec: EngineSpec, repeats: int, cache_dir: Path, data_dir: str) -> Measurement:
    worker = WorkerRunner(spec, usable_core_ids(), cache_dir, data_dir)
    found = []
    try:
        for _ in range(repeats):
            events = worker.train(epochs=1, batch_size=BATCH, limit_train=STEPS * BATCH, limit_test=100)
            told = [event for event in events if isinstance(event, TrainProgress)]
            found.append(_pace(told, STEPS - 500, STEPS) / _pace(told, 1, 500))
    finally:
        worker.close()
    return Measurement(
        f"{spec.name}, a step at {STEPS:,}", "times the seconds of the first 500 steps'", tuple(found), "≤ 1.1"
    )


def _pace(told: Sequence[TrainProgress], first: int, last: int) -> float:
    """Seconds a step between those two steps."""
    inside = [event for event in told if first <= event.global_step <= last]
    return (inside[-1].t - inside[0].t) / (inside[-1].global_step - inside[0].global_step)
