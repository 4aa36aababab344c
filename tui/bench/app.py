"""What the app costs while both frameworks train: the app in a pseudo-terminal, against the same engines without a screen."""

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
from tui.bench.pty import Child, end

WARM_UP_SECONDS = 3.0
"""After both began to train; not measured."""
START_SECONDS = 180.0
TICK_SECONDS = 0.05
"""Between two looks at the event loop; each costs what a keystroke does, and is counted as the app's."""

_APP = """
import asyncio, json, os, resource, sys, threading, time
from pathlib import Path
from engines.api import engine_spec
from tui.app import MnistApp
settings, fps, runs, answer = json.loads(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
ticks = []

async def tick():
    while True:
        before = time.monotonic()
        await asyncio.sleep({tick})
        ticks.append((time.monotonic(), time.monotonic() - before - {tick}, time.process_time()))

def watch():
    while not app.is_running:
        time.sleep({tick})
    app.call_from_thread(tick)

app = MnistApp([engine_spec("pytorch"), engine_spec("keras")], settings, start=True, fps=fps, runs_dir=runs)
threading.Thread(target=watch, daemon=True).start()
code = app.run_guarded()
answer.write_text(json.dumps([ticks, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
sys.exit(code)
"""
_HEADLESS = "import sys; from tui.cli.main import main; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True, slots=True)
class _Cost:
    """Of one run in the app."""

    lag_p99: float
    """Milliseconds that the event loop woke too late."""
    lag_max: float
    cpu_percent: float
    """Of one core."""
    peak_mb: float
    kilobytes_per_second: float
    samples_per_sec: float


def measure(repeats: int, seconds: float, data_dir: str) -> Iterator[Measurement]:
    """The budgets of the app, at 120x40, with real frameworks. Raises BenchError."""
    app, slow, headless = [], [], []
    for _ in range(repeats):
        app.append(_in_the_app(10, seconds, data_dir))
        headless.append(_headless(seconds, data_dir))
        slow.append(_in_the_app(2, seconds, data_dir))

    def row(name: str, meaning: str, figures: Sequence[float], budget: str) -> Measurement:
        return Measurement(name, meaning, tuple(figures), budget)

    yield row("event-loop lag, p99", "milliseconds", [one.lag_p99 for one in app], "≤ 50")
    yield row("event-loop lag, highest", "milliseconds", [one.lag_max for one in app], "≤ 250")
    yield row("UI processor time", "% of one core", [one.cpu_percent for one in app], "≤ 6")
    yield row("UI memory, peak", "MB", [one.peak_mb for one in app], "≤ 90")
    yield row("to the terminal", "kB/s", [one.kilobytes_per_second for one in app], "≤ 40")
    yield row("to the terminal, --slow", "kB/s", [one.kilobytes_per_second for one in slow], "≤ 10")
    ratios = [one.samples_per_sec / alone for one, alone in zip(app, headless, strict=True)]
    yield row("training in the app", "times the headless samples/s", ratios, "≥ 0.97")


def _settings(data_dir: str) -> dict[str, object]:
    return {"epochs": 12, **({"data_dir": data_dir} if data_dir else {})}


def _in_the_app(fps: int, seconds: float, data_dir: str) -> _Cost:
    with tempfile.TemporaryDirectory() as folder:
        runs, answer = Path(folder) / "runs", Path(folder) / "answer"
        arguments = [json.dumps(_settings(data_dir)), str(fps), str(runs), str(answer)]
        child = Child(_APP.replace("{tick}", str(TICK_SECONDS)), arguments)
        try:
            begin, stop, speed = _window(child.process, runs, seconds)
        finally:
            child.end()
        if not answer.exists():
            raise BenchError("The app ended without an answer.")
        ticks, peak = json.loads(answer.read_text())
    inside = [(t, lag, cpu) for t, lag, cpu in ticks if begin <= t <= stop]
    lags = sorted(1000 * lag for _, lag, _ in inside)
    cpu = (inside[-1][2] - inside[0][2]) / (inside[-1][0] - inside[0][0])
    sent = sum(size for t, size in child.written if begin <= t <= stop)
    megabytes = peak / (1e6 if sys.platform == "darwin" else 1e3 / 1.024)  # ru_maxrss: bytes there, KiB elsewhere
    return _Cost(lags[int(0.99 * (len(lags) - 1))], lags[-1], 100 * cpu, megabytes, sent / (stop - begin) / 1000, speed)


def _headless(seconds: float, data_dir: str) -> float:
    """Samples/s of both engines together."""
    with tempfile.TemporaryDirectory() as folder:
        runs = Path(folder) / "runs"
        command = [sys.executable, "-c", _HEADLESS, "train", "--runs-dir", str(runs)]
        for name, value in _settings(data_dir).items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            return _window(child, runs, seconds)[2]
        finally:
            end(child)


def _window(child: subprocess.Popen[bytes], runs: Path, seconds: float) -> tuple[float, float, float]:
    """(begin, end, samples/s) of the stretch to measure, once both train. Raises BenchError."""
    give_up = time.monotonic() + START_SECONDS
    while len({event.engine for event in _progress(runs)}) < 2:
        if child.poll() is not None or time.monotonic() > give_up:
            raise BenchError("Both frameworks did not begin to train; `mnist-tui doctor` says why.")
        time.sleep(0.2)
    time.sleep(WARM_UP_SECONDS)
    begin = time.monotonic()
    time.sleep(seconds)
    stop = time.monotonic()
    speed = 0.0
    for engine in ("pytorch", "keras"):
        seen = [one for one in _progress(runs) if one.engine == engine and begin <= one.t <= stop]
        if len(seen) > 1:
            speed += (seen[-1].global_step - seen[0].global_step) * TrainConfig().batch_size / (seen[-1].t - seen[0].t)
    return begin, stop, speed


def _progress(runs: Path) -> list[TrainProgress]:
    files = sorted(runs.glob("*/events.jsonl"))
    return [event for event in read_events(files[-1]) if isinstance(event, TrainProgress)] if files else []
