"""Hours of training with the app open: its memory, its descriptors, its record and its event loop stay as they are."""

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
from tests.support.engines import SCRIPTED
from tui.charts.braille import draw
from tui.charts.viewport import Viewport
from tui.widgets.curves import axes, curves, x_extent

SECONDS = float(os.environ.get("MNIST_TUI_SOAK_SECONDS", "3600"))
ENGINES = os.environ.get("MNIST_TUI_SOAK_ENGINES", "")
"""real or scripted; empty takes the real ones where both frameworks are installed."""
REPORT = os.environ.get("MNIST_TUI_SOAK_REPORT", "")
"""A file that gets every sample as it is taken."""
SAMPLE_SECONDS = 5.0
WARM_UP = 1800.0
"""Until curves, logs and usage graphs hold as much as they ever will, on a slow machine too; half of a shorter soak."""

_APP = """
import asyncio, json, sys, threading, time
from pathlib import Path
from typing import Any
from engines.api import engine_spec
from tui.app import MnistApp
settings, folder, lags, scripted = json.loads(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4] == "scripted"
if scripted:
    from tests.support.engines import scripted_spec as engine_spec

async def watch_the_loop():
    while True:
        late, until = [], time.monotonic() + 10
        while time.monotonic() < until:
            before = time.monotonic()
            await asyncio.sleep(0.02)
            late.append(time.monotonic() - before - 0.02)
        late.sort()
        with lags.open("a") as file:
            print(time.monotonic(), 1000 * late[int(0.99 * (len(late) - 1))], 1000 * late[-1], file=file)

def watch():
    while not app.is_running:
        time.sleep(0.1)
    app.call_from_thread(watch_the_loop)

app = MnistApp([engine_spec("pytorch"), engine_spec("keras")], settings, start=True, runs_dir=folder)
threading.Thread(target=watch, daemon=True).start()
sys.exit(app.run_guarded())
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """The app's process at one moment."""

    t: float
    rss: int
    descriptors: int
    threads: int
    events_bytes: int


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 600)
@pytest.mark.fault("soak", f"both train for {SECONDS:,.0f} s with the app open: memory, descriptors, record, loop lag")
def test_hours_leave_no_trace(small_mnist: Path, tmp_path: Path) -> None:
    kind = ENGINES or ("real" if all(map(importlib.util.find_spec, ("torch", "tensorflow"))) else "scripted")
    settings = {"epochs": 10_000, "batch_size": 64, "data_dir": str(small_mnist)}
    if kind == "real":
        settings = {"epochs": 10_000, **({"data_dir": REAL_MNIST} if REAL_MNIST else {"dataset": "drawn"})}
    runs, lags = tmp_path / "runs", tmp_path / "lags"
    samples = _soak([json.dumps(settings), str(runs), str(lags), kind], runs)
    settled = [one for one in samples if one.t >= samples[0].t + min(WARM_UP, SECONDS / 2)]
    slope, error = slope_of([one.t / 3600 for one in settled], [one.rss / 1e6 for one in settled])
    late = [tuple(map(float, line.split())) for line in lags.read_text().splitlines()]
    late = [one for one in late if one[0] >= settled[0].t]
    first, second = late[: len(late) // 2], late[len(late) // 2 :]
    p99 = [statistics.median(one[1] for one in half) for half in (first, second)]
    rate = (settled[-1].events_bytes - settled[0].events_bytes) / (settled[-1].t - settled[0].t)
    descriptors = sorted({one.descriptors for one in settled})
    print(
        f"\n{kind} engines, {settled[-1].t - settled[0].t:,.0f} s after warm-up, {len(settled)} samples:"
        f" RSS {settled[0].rss / 1e6:.1f} to {settled[-1].rss / 1e6:.1f} MB, slope {slope:.2f} ± {error:.2f} MB/h;"
        f" descriptors {descriptors}; threads {sorted({one.threads for one in settled})};"
        f" events {rate / 1000:.1f} kB/s; loop lag p99 {p99[0]:.1f} then {p99[1]:.1f} ms,"
        f" highest {max(one[2] for one in late):.0f} ms"
    )
    assert slope < 1.0, f"the app's memory grows by {slope:.2f} ± {error:.2f} MB/h"
    assert descriptors[-1] - descriptors[0] <= 2, "descriptors leak"  # a folder or /proc being read counts for a moment
    assert rate < 40_000, "the record grows faster than the limit on progress events allows"
    assert p99[1] < 2 * p99[0] + 10, "the event loop gets slower"


def _soak(arguments: Sequence[str], runs: Path) -> list[Sample]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTED.parents[2]), "TERM": "xterm-256color"}
    child = subprocess.Popen(
        [sys.executable, "-c", _APP, *arguments],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=environment,
    )  # fmt: skip
    os.close(theirs)
    threading.Thread(target=_read_on, args=(ours,), daemon=True).start()
    app, samples, end = psutil.Process(child.pid), list[Sample](), time.monotonic() + SECONDS
    try:
        while time.monotonic() < end:
            with contextlib.suppress(subprocess.TimeoutExpired):
                pytest.fail(f"the app ended with {child.wait(SAMPLE_SECONDS)}")
            kept = sum(path.stat().st_size for path in runs.glob("*/events.jsonl"))
            one = Sample(time.monotonic(), app.memory_info().rss, app.num_fds(), app.num_threads(), kept)
            samples.append(one)
            if REPORT:
                with open(REPORT, "a") as file:
                    print(*dataclasses.astuple(one), file=file)
        child.send_signal(signal.SIGTERM)
        assert child.wait(10) == 128 + signal.SIGTERM
    finally:
        child.kill()
        child.wait()
        os.close(ours)
    return samples


def _read_on(terminal: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(terminal, 1 << 16):
            pass


STEPS = 10_000_000
RATE = 20.0
"""Progress events a second that the worker's limit allows."""


@pytest.mark.fault("soak", "ten million steps in one history: under 5 MB, and drawn in milliseconds")
@pytest.mark.parametrize("eval_every", [0, 20], ids=["evaluated at epochs", "evaluated at each event"])
def test_ten_million_steps(eval_every: int) -> None:
    """Every step would be an event only at 20 steps a second; what is folded here is what a worker would have said.

    10,000 epochs, the most that a config may ask for, of 1,000 steps each, at 5,000 steps a second: 2,000 s, 40,000 events.
    """
    config, speed = TrainConfig(epochs=10_000, batch_size=60, eval_every=eval_every), 5_000
    history = RunHistory("keras")
    for event in _a_long_life(config, STEPS, int(speed / RATE)):
        history.apply(event)
    taken = _bytes_of(history)
    assert history.global_step == STEPS
    assert history.epochs_done == 10_000
    assert history.evaluations[-1].mistakes
    assert max(one.accuracy for one in history.evaluations) == 0.995, "the best evaluation was thinned out"
    assert taken < 5e6, f"{taken / 1e6:.1f} MB"
    view = Viewport()
    best = min(_seconds_to_draw(history, view) for _ in range(20))
    print(
        f"\n{taken / 1e6:.2f} MB, {len(history.train_loss)} points, {len(history.evaluations)} evaluations,"
        f" drawn in {1000 * best:.1f} ms"
    )
    assert (
        best < 0.02
    )  # 2 ms on a quiet machine; `mnist-tui bench charts` measures, this only tells milliseconds from seconds


def _bytes_of(root: object) -> int:
    """Of everything that can be reached from it, each object once."""
    seen, found = {id(root)}, [root]
    for one in found:
        for inner in gc.get_referents(one):
            if id(inner) not in seen and not isinstance(inner, type):
                seen.add(id(inner))
                found.append(inner)
    return sum(map(sys.getsizeof, found))


def _seconds_to_draw(history: RunHistory, view: Viewport) -> float:
    began = time.thread_time()  # of this thread alone: the machine may be busy with something else
    series = curves(history, "loss", view)
    draw(series, axes(series, "loss", view, x_extent([history], view)), 100, 25)
    return time.thread_time() - began


def _a_long_life(config: TrainConfig, steps: int, per_event: int) -> Iterator[Event]:
    said: dict[str, Any] = {"engine": "keras", "run_id": "a-run-of-some-length"}
    per_epoch, dice = steps // config.epochs, random.Random(0)
    best = dice.randint(1, config.epochs)
    yield RunRequested(t=0.0, config=config, **said)
    yield RunStarted(
        t=1.0,
        config=config,
        device="cpu",
        precision="fp32",
        num_threads=1,
        steps_per_epoch=per_epoch,
        total_steps=steps,
        **said,
    )
    for step in range(per_event, steps + 1, per_event):
        epoch, t = (step - 1) // per_epoch + 1, 1.0 + step / per_event / RATE
        if step % per_epoch == per_event:
            yield EpochStarted(t=t, epoch=epoch, order_sha256=f"{epoch:064x}", **said)
        yield TrainProgress(
            t=t, epoch=epoch, step=(step - 1) % per_epoch + 1, global_step=step, samples_seen=step * config.batch_size,
            loss=dice.random(), accuracy=dice.random(), samples_per_sec=1e5 * dice.random(), learning_rate=dice.random(), **said,
        )  # fmt: skip
        if config.eval_every or step % per_epoch == 0:
            yield EvalCompleted(
                t=t, epoch=epoch, global_step=step, split="test", loss=dice.random(), seconds=dice.random(), train_seconds=t,
                accuracy=0.995 if epoch == best else 0.98 + 0.01 * dice.random(), confusion=tuple(dice.choices(range(1000), k=100)),
                mistakes=tuple((dice.randrange(10_000), 3, 5) for _ in range(80)), **said,
            )  # fmt: skip
        if step % per_epoch == 0:
            yield EpochCompleted(
                t=t, epoch=epoch, train_loss=dice.random(), train_accuracy=dice.random(), train_seconds=dice.random(),
                samples_per_sec=dice.random(), first_step_seconds=None, **said,
            )  # fmt: skip


def slope_of(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float]:
    """The least-squares slope and its standard error.

    Memory is not white noise: what is high now is high five seconds later. So the error counts only as many samples as are
    worth something, n (1 - r) / (1 + r), with r the residuals' correlation with their successors.
    """
    n, mean_x, mean_y = len(xs), statistics.fmean(xs), statistics.fmean(ys)
    sxx = sum((x - mean_x) ** 2 for x in xs)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sxx
    rest = [y - mean_y - slope * (x - mean_x) for x, y in zip(xs, ys, strict=True)]
    squares = sum(one * one for one in rest)
    if not squares:
        return slope, 0.0
    r = min(max(sum(a * b for a, b in pairwise(rest)) / squares, 0.0), 0.99)
    worth = max(n * (1 - r) / (1 + r), 3.0)
    return slope, math.sqrt(squares / ((worth - 2) * sxx))
