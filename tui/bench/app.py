"""Measure the app while both frameworks train: in a pseudo-terminal, and the same engines without a screen."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.api import BenchError, Measurement, TrainConfig, TrainProgress, read_events
from tui.bench.pty import PtyProcess, stop

WARM_UP_SECONDS = 3.0
"""Seconds after both engines started to train that are not measured."""
START_SECONDS = 180.0
"""Seconds in which both engines must start to train."""


@dataclass(frozen=True, slots=True)
class _Cost:
    """The cost of the app in one run."""

    lag_p99: float
    """Milliseconds by which the event loop woke too late."""
    lag_max: float
    cpu_percent: float
    """Percent of one core."""
    peak_mb: float
    kilobytes_per_second: float
    """Output to the terminal."""
    samples_per_sec: float


def measure_app(repeats: int, seconds: float, data_dir: str) -> Iterator[Measurement]:
    """Measure the app at 120x40 with real frameworks. Raises BenchError."""
    app, slow, headless = [], [], []
    for _ in range(repeats):
        app.append(_run_app(10, seconds, data_dir))
        headless.append(_run_headless(seconds, data_dir))
        slow.append(_run_app(2, seconds, data_dir))

    def row(name: str, meaning: str, figures: Sequence[float], budget: str) -> Measurement:
        return Measurement(name, meaning, tuple(figures), budget)

    yield row("event-loop lag, p99", "milliseconds", [cost.lag_p99 for cost in app], "≤ 50")
    yield row("event-loop lag, highest", "milliseconds", [cost.lag_max for cost in app], "≤ 250")
    yield row("UI processor time", "% of one core", [cost.cpu_percent for cost in app], "≤ 6")
    yield row("UI memory, peak", "MB", [cost.peak_mb for cost in app], "≤ 90")
    yield row("to the terminal", "kB/s", [cost.kilobytes_per_second for cost in app], "≤ 40")
    yield row("to the terminal, --slow", "kB/s", [cost.kilobytes_per_second for cost in slow], "≤ 10")
    ratios = [cost.samples_per_sec / alone for cost, alone in zip(app, headless, strict=True)]
    yield row("training in the app", "times the headless samples/s", ratios, "≥ 0.97")


def _settings(data_dir: str) -> dict[str, object]:
    return {"epochs": 12, **({"data_dir": data_dir} if data_dir else {})}


def _run_app(fps: int, seconds: float, data_dir: str) -> _Cost:
    with tempfile.TemporaryDirectory() as folder:
        runs, result = Path(folder) / "runs", Path(folder) / "result"
        arguments = [json.dumps(_settings(data_dir)), str(fps), str(runs), str(result)]
        child = PtyProcess("tui.bench.programs.training_app", arguments)
        try:
            start, end, speed = _measure_window(child.process, runs, seconds)
        finally:
            child.stop()
        if not result.exists():
            raise BenchError("The app ended without a result.")
        ticks, peak = json.loads(result.read_text())
    inside = [(t, lag, cpu) for t, lag, cpu in ticks if start <= t <= end]
    lags = sorted(1000 * lag for _, lag, _ in inside)
    cpu = (inside[-1][2] - inside[0][2]) / (inside[-1][0] - inside[0][0])
    sent = sum(size for t, size in child.reads if start <= t <= end)
    return _Cost(lags[int(0.99 * (len(lags) - 1))], lags[-1], 100 * cpu, peak / 1e6, sent / (end - start) / 1000, speed)


def _run_headless(seconds: float, data_dir: str) -> float:
    """Return the samples/s of both engines together, trained without a screen."""
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        command = [sys.executable, "-m", "tui", "train", "--runs-dir", str(runs)]
        for name, value in _settings(data_dir).items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            return _measure_window(child, runs, seconds)[2]
        finally:
            stop(child)


def _measure_window(child: subprocess.Popen[bytes], runs: Path, seconds: float) -> tuple[float, float, float]:
    """Wait until both engines train, then measure; return (start, end, samples/s of both). Raises BenchError."""
    deadline = time.monotonic() + START_SECONDS
    while len({event.engine for event in _read_progress(runs)}) < 2:
        if child.poll() is not None or time.monotonic() > deadline:
            raise BenchError("The frameworks did not both start to train. Run `mnist-tui doctor` to see why.")
        time.sleep(0.2)
    time.sleep(WARM_UP_SECONDS)
    start = time.monotonic()
    time.sleep(seconds)
    end = time.monotonic()
    speed = 0.0
    for engine in ("pytorch", "keras"):
        inside = [event for event in _read_progress(runs) if event.engine == engine and start <= event.t <= end]
        if len(inside) > 1:
            steps = inside[-1].global_step - inside[0].global_step
            speed += steps * TrainConfig().batch_size / (inside[-1].t - inside[0].t)
    return start, end, speed


def _read_progress(runs: Path) -> list[TrainProgress]:
    files = sorted(runs.glob("*/events.jsonl"))
    return [event for event in read_events(files[-1]) if isinstance(event, TrainProgress)] if files else []
