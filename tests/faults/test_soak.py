"""Hours of training with the app open: memory, descriptors, the record's growth and the event loop's lag stay constant."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import gc
import importlib.util
import json
import math
import os
import pty
import random
import signal
import statistics
import struct
import subprocess
import sys
import termios
import threading
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from engines.api import Event, RunHistory, TrainConfig
from engines.messages.events import EpochCompleted, EpochStarted, EvalCompleted, RunRequested, RunStarted, TrainProgress
from tests.support.digits import REAL_MNIST
from tests.support.terminal import ROOT
from tui.charts.braille import draw
from tui.charts.viewport import Viewport
from tui.widgets.curves import axes, curves, x_extent

SECONDS = float(os.environ.get("MNIST_TUI_SOAK_SECONDS", "3600"))
ENGINES = os.environ.get("MNIST_TUI_SOAK_ENGINES", "")
"""real or scripted; empty means real if both frameworks are installed."""
REPORT = os.environ.get("MNIST_TUI_SOAK_REPORT", "")
"""A file that gets each sample at once."""
SAMPLE_SECONDS = 5.0
WARM_UP = 1800.0
"""Seconds until curves, logs and usage graphs are full, on a slow machine too; half of a shorter soak."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample of the app's process."""

    t: float
    rss: int
    descriptors: int
    threads: int
    events_bytes: int


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 600)
@pytest.mark.fault("soak", f"both train for {SECONDS:,.0f} s with the app open: memory, descriptors, record, loop lag")
def test_hours_of_training_leave_no_trace(small_mnist: Path, tmp_path: Path) -> None:
    kind = ENGINES or ("real" if all(map(importlib.util.find_spec, ("torch", "tensorflow"))) else "scripted")
    settings = {"epochs": 10_000, "batch_size": 64, "data_dir": str(small_mnist)}
    if kind == "real":
        settings = {"epochs": 10_000, **({"data_dir": REAL_MNIST} if REAL_MNIST else {"dataset": "drawn"})}
    runs, lags = tmp_path / "runs", tmp_path / "lags"
    samples = _soak([json.dumps(settings), str(runs), str(lags), kind], runs)
    settled = [sample for sample in samples if sample.t >= samples[0].t + min(WARM_UP, SECONDS / 2)]
    slope, error = slope_of([sample.t / 3600 for sample in settled], [sample.rss / 1e6 for sample in settled])
    rows = [tuple(map(float, line.split())) for line in lags.read_text().splitlines()]
    rows = [row for row in rows if row[0] >= settled[0].t]
    first, second = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    p99 = [statistics.median(row[1] for row in half) for half in (first, second)]
    rate = (settled[-1].events_bytes - settled[0].events_bytes) / (settled[-1].t - settled[0].t)
    descriptors = sorted({sample.descriptors for sample in settled})
    print(
        f"\n{kind} engines, {settled[-1].t - settled[0].t:,.0f} s after warm-up, {len(settled)} samples:"
        f" RSS {settled[0].rss / 1e6:.1f} to {settled[-1].rss / 1e6:.1f} MB, slope {slope:.2f} ± {error:.2f} MB/h;"
        f" descriptors {descriptors}; threads {sorted({sample.threads for sample in settled})};"
        f" events {rate / 1000:.1f} kB/s; loop lag p99 {p99[0]:.1f} then {p99[1]:.1f} ms,"
        f" highest {max(row[2] for row in rows):.0f} ms"
    )
    assert slope < 1.0, f"the app's memory grows by {slope:.2f} ± {error:.2f} MB/h"
    assert descriptors[-1] - descriptors[0] <= 2, "descriptors leak"  # reading a folder or /proc opens one for a moment
    assert rate < 40_000, "the record grows faster than the limit on progress events allows"
    assert p99[1] < 2 * p99[0] + 10, "the event loop gets slower"


def _soak(arguments: Sequence[str], runs: Path) -> list[Sample]:
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color"}
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.programs.soak_app", *arguments],
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env=environment,
    )  # fmt: skip
    os.close(slave)
    threading.Thread(target=_discard_output, args=(master,), daemon=True).start()
    app, samples, end = psutil.Process(child.pid), list[Sample](), time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            with contextlib.suppress(subprocess.TimeoutExpired):
                pytest.fail(f"the app ended with {child.wait(SAMPLE_SECONDS)}")
            size = sum(path.stat().st_size for path in runs.glob("*/events.jsonl"))
            sample = Sample(time.monotonic(), app.memory_info().rss, app.num_fds(), app.num_threads(), size)
            samples.append(sample)
            if REPORT:
                with open(REPORT, "a") as file:
                    print(*dataclasses.astuple(sample), file=file)
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 128 + signal.SIGTERM
    finally:
        child.kill()
        child.wait()
        os.close(master)
    return samples


def _discard_output(terminal: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(terminal, 1 << 16):
            pass


STEPS = 10_000_000
RATE = 20.0
"""The worker's limit on progress events per second."""


@pytest.mark.fault("soak", "ten million steps in one history: under 5 MB, and drawn in milliseconds")
@pytest.mark.parametrize("eval_every", [0, 20], ids=["evaluated at epochs", "evaluated at each event"])
def test_ten_million_steps(eval_every: int) -> None:
    """Apply the events that a worker would publish: at most 20 a second, not one for every step.

    10,000 epochs, the most that a config allows, of 1,000 steps each, at 5,000 steps a second: 2,000 s, 40,000 events.
    """
    config, speed = TrainConfig(epochs=10_000, batch_size=60, eval_every=eval_every), 5_000
    history = RunHistory("keras")
    for event in _long_run(config, STEPS, int(speed / RATE)):
        history.apply(event)
    size = _bytes_of(history)
    assert history.global_step == STEPS
    assert history.epochs_done == 10_000
    assert history.evaluations[-1].mistakes
    assert max(evaluation.accuracy for evaluation in history.evaluations) == 0.995, (
        "the best evaluation was thinned out"
    )
    assert size < 5e6, f"{size / 1e6:.1f} MB"
    view = Viewport()
    seconds = min(_seconds_to_draw(history, view) for _ in range(20))
    print(
        f"\n{size / 1e6:.2f} MB, {len(history.train_loss)} points, {len(history.evaluations)} evaluations,"
        f" drawn in {1000 * seconds:.1f} ms"
    )
    assert seconds < 0.02  # 2 ms on a quiet machine, as `mnist-tui bench charts` measures it


def _bytes_of(root: object) -> int:
    """Return the size of all objects that can be reached from `root`, each counted once."""
    seen, objects = {id(root)}, [root]
    for reached in objects:
        for inner in gc.get_referents(reached):
            if id(inner) not in seen and not isinstance(inner, type):
                seen.add(id(inner))
                objects.append(inner)
    return sum(map(sys.getsizeof, objects))


def _seconds_to_draw(history: RunHistory, view: Viewport) -> float:
    start = time.thread_time()  # CPU time of this thread: the machine may be busy
    extent = x_extent([history], view)
    series = curves(history, "loss", view, extent)
    draw(series, axes([history], series, "loss", view, extent), 100, 25)
    return time.thread_time() - start


def _long_run(config: TrainConfig, steps: int, per_event: int) -> Iterator[Event]:
    common: dict[str, Any] = {"engine": "keras", "run_id": "a-run-of-some-length"}
    per_epoch, dice = steps // config.epochs, random.Random(0)
    counts = array("H", dice.choices(range(1000), k=1000))
    indices = array("H", dice.choices(range(10_000), k=1000))
    best = dice.randint(1, config.epochs)
    yield RunRequested(t=0.0, config=config, **common)
    yield RunStarted(
        t=1.0,
        config=config,
        device="cpu",
        precision="fp32",
        num_threads=1,
        steps_per_epoch=per_epoch,
        total_steps=steps,
        **common,
    )
    for step in range(per_event, steps + 1, per_event):
        epoch, t = (step - 1) // per_epoch + 1, 1.0 + step / per_event / RATE
        if step % per_epoch == per_event:
            yield EpochStarted(t=t, epoch=epoch, order_sha256=f"{epoch:064x}", **common)
        yield TrainProgress(
            t=t, epoch=epoch, step=(step - 1) % per_epoch + 1, global_step=step, samples_seen=step * config.batch_size,
            loss=dice.random(), accuracy=dice.random(), samples_per_sec=1e5 * dice.random(), learning_rate=dice.random(), **common,
        )  # fmt: skip
        if config.eval_every or step % per_epoch == 0:
            start = dice.randrange(900)
            yield EvalCompleted(
                t=t, epoch=epoch, global_step=step, split="test", loss=dice.random(), seconds=dice.random(), train_seconds=t,
                accuracy=0.995 if epoch == best else 0.98 + 0.01 * dice.random(), confusion=tuple(counts[start : start + 100]),
                mistakes=tuple((index, 3, 5) for index in indices[start : start + 80]), **common,
            )  # fmt: skip
        if step % per_epoch == 0:
            yield EpochCompleted(
                t=t, epoch=epoch, train_loss=dice.random(), train_accuracy=dice.random(), train_seconds=dice.random(),
                samples_per_sec=dice.random(), first_step_seconds=None, **common,
            )  # fmt: skip


def slope_of(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """Return the least-squares slope and its standard error.

    Memory is not white noise: a high sample is followed by another. So the error uses the effective number of samples,
    n (1 - r) / (1 + r), with r the lag-1 autocorrelation of the residuals.
    """
    n, mean_x, mean_y = len(xs), statistics.fmean(xs), statistics.fmean(ys)
    sxx = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sxx
    residuals = [y - mean_y - slope * (x - mean_x) for x, y in zip(xs, ys, strict=True)]
    squares = sum(residual**2 for residual in residuals)
    if not squares:
        return slope, 0.0
    r = min(max(sum(a * b for a, b in pairwise(residuals)) / squares, 0.0), 0.99)
    effective = max(n * (1 - r) / (1 + r), 3.0)
    return slope, math.sqrt(squares / ((effective - 2) * sxx))
