"""Measure start-up: the command line, the first paint, a worker, and the second run of a warm worker."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from engines.api import (
    BenchError,
    EngineSpec,
    Event,
    Measurement,
    RunFailed,
    RunFinished,
    Supervisor,
    TrainProgress,
    WorkerReady,
    from_settings,
    run_in_thread,
)
from tui.bench.pty import PtyProcess, child_environment

_BARE_IMPORT = "import os; os.environ['KERAS_BACKEND'] = '{}'; import {}; os._exit(0)"
"""A program that imports a framework and exits without its shutdown."""
EVENT_TIMEOUT_SECONDS = 180.0

_UNIT = "times the plain program's seconds"


def measure_startup(repeats: int) -> Iterator[Measurement]:
    """Measure the command line, and the app's first paint in a terminal. Raises BenchError."""
    command = "from tui.cli.main import main; main([{!r}])"
    version, usage = command.format("--version"), f"import sys; {command.format('--help')}"
    argparse = partial(_run_seconds, "import argparse")
    yield _ratio("--version", repeats, "≤ 1.5", partial(_run_seconds, version), argparse)
    yield _ratio("--help", repeats, "", partial(_run_seconds, usage), argparse)
    ours, plain = partial(_first_paint_seconds, "mnist-tui"), partial(_first_paint_seconds, "empty")
    yield _ratio("first paint", repeats, "≤ 1.25", ours, plain)


def measure_workers(specs: Sequence[EngineSpec], repeats: int, cache_dir: Path, data_dir: str) -> Iterator[Measurement]:
    """Measure a worker until it is ready, against a bare import, and the second run of a warm worker. Raises BenchError."""
    for spec in specs:
        second_runs: list[float] = []
        ours = partial(_worker_ready_seconds, spec, cache_dir, data_dir, second_runs)
        bare = _BARE_IMPORT.format(spec.backend, "torch" if spec.name == "pytorch" else f"{spec.backend}, keras")
        yield _ratio(f"{spec.name} worker ready", repeats, "≤ 1.1", ours, partial(_run_seconds, bare, spec.python))
        yield Measurement(
            f"{spec.name}, second run in a warm worker",
            "seconds to its first steps",
            tuple(second_runs[-repeats:]),
            "≤ 0.5",
        )


def _ratio(name: str, repeats: int, budget: str, ours: Callable[[], float], plain: Callable[[], float]) -> Measurement:
    ours(), plain()  # brings the files into the page cache
    return Measurement(name, _UNIT, tuple(ours() / plain() for _ in range(repeats)), budget)


def _run_seconds(script: str, python: str = sys.executable) -> float:
    """Return the seconds of a process that runs the script, from its start to its exit."""
    before = time.perf_counter()
    silent = subprocess.DEVNULL
    done = subprocess.run([python, "-c", script], stdout=silent, stderr=silent, env=child_environment())
    if done.returncode:
        raise BenchError(f"`{script}` ended with {done.returncode} in {python}.")
    return time.perf_counter() - before


def _first_paint_seconds(app: str) -> float:
    """Return the seconds from the start of a process until its app's first refresh is painted."""
    read_end, write_end = os.pipe()
    before = time.perf_counter()
    child = PtyProcess("tui.bench.programs.first_paint", [app, str(write_end)], pass_fds=[write_end])
    os.close(write_end)
    try:
        painted = os.read(read_end, 1)
        seconds = time.perf_counter() - before
        child.process.wait(15)
    finally:
        os.close(read_end)
        child.stop()
    if not painted:
        raise BenchError("The app ended before its first paint.")
    return seconds


def _worker_ready_seconds(spec: EngineSpec, cache_dir: Path, data_dir: str, second_runs: list[float]) -> float:
    """Return the seconds until the worker is ready; append to `second_runs` those from its second start to its first steps."""
    events: queue.Queue[Event] = queue.Queue()
    worker = Supervisor(spec, events.put, cache_dir=cache_dir)
    config = from_settings({"epochs": 1, "limit_train": 256, "limit_test": 16, "data_dir": data_dir})

    def wait_for(kind: type[Event]) -> float:
        while True:
            event = events.get(timeout=EVENT_TIMEOUT_SECONDS)
            if isinstance(event, RunFailed):
                raise BenchError(event.message)
            if isinstance(event, kind):
                return time.perf_counter()

    before = time.perf_counter()
    thread = run_in_thread(worker)
    try:
        ready = wait_for(WorkerReady) - before
        with tempfile.TemporaryDirectory() as folder:
            worker.start_run("first", config, folder)
            wait_for(RunFinished)
            started = time.perf_counter()
            worker.start_run("second", config, folder)
            second_runs.append(wait_for(TrainProgress) - started)
            wait_for(RunFinished)
    except queue.Empty:
        raise BenchError(f"{spec.title} did not answer within {EVENT_TIMEOUT_SECONDS:.0f} s.") from None
    finally:
        worker.end()
        thread.join()
    return ready
