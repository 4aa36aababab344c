"""How long one waits: for a word of the command line, for the first paint, for a worker, and for the second run."""

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
from tui.bench.pty import Child, environment

_PAINT = """
import os, sys
{make}
def painted():
    os.write(int(sys.argv[1]), b"!")
    app.exit()
app.call_later(app.call_after_refresh, painted)
run()
"""
_OURS = """
from tui.terminal import startup_gc as opening
opening.pause_gc()
from engines.api import engine_spec
from tui.app import MnistApp
app = MnistApp([engine_spec("pytorch"), engine_spec("keras")], {"framework": "neither"})
run = app.run_guarded
"""
"""Both panes, as the command shows and runs them, but without workers, which would be in the next measurement's way."""
_EMPTY = """
from textual.app import App
app = App()
run = app.run
"""
_BARE = "import os; os.environ['KERAS_BACKEND'] = '{}'; import {}; os._exit(0)"
"""A framework's import, without what it costs to come down again."""
WAIT_SECONDS = 180.0


_SECONDS = "times the plain program's seconds"


def startup(repeats: int) -> Iterator[Measurement]:
    """The command line, and the app's first paint in a terminal. Raises BenchError."""
    command = "from tui.cli.main import main; main([{!r}])"
    version, usage = command.format("--version"), f"import sys; {command.format('--help')}"
    yield _ratio("--version", repeats, "≤ 1.5", partial(_timed, version), partial(_timed, "import argparse"))
    yield _ratio("--help", repeats, "", partial(_timed, usage), partial(_timed, "import argparse"))
    yield _ratio("first paint", repeats, "≤ 1.25", partial(_painted, _OURS), partial(_painted, _EMPTY))


def workers(specs: Sequence[EngineSpec], repeats: int, cache_dir: Path, data_dir: str) -> Iterator[Measurement]:
    """A worker until it is ready, against a bare import; and the second run of a warm one. Raises BenchError."""
    for spec in specs:
        again: list[float] = []
        ours = partial(_ready, spec, cache_dir, data_dir, again)
        bare = _BARE.format(spec.backend, "torch" if spec.name == "pytorch" else f"{spec.backend}, keras")
        yield _ratio(f"{spec.name} worker ready", repeats, "≤ 1.1", ours, partial(_timed, bare, spec.python))
        yield Measurement(
            f"{spec.name}, second run in a warm worker", "seconds to its first steps", tuple(again), "≤ 0.5"
        )


def _ratio(name: str, repeats: int, budget: str, ours: Callable[[], float], plain: Callable[[], float]) -> Measurement:
    ours(), plain()  # files into the page cache
    return Measurement(name, _SECONDS, tuple(ours() / plain() for _ in range(repeats)), budget)


def _timed(script: str, python: str = sys.executable) -> float:
    """Seconds of a whole process."""
    before = time.perf_counter()
    silent = subprocess.DEVNULL
    done = subprocess.run([python, "-c", script], stdout=silent, stderr=silent, env=environment())
    if done.returncode:
        raise BenchError(f"`{script}` ended with {done.returncode} in {python}.")
    return time.perf_counter() - before


def _painted(make: str) -> float:
    """Seconds from the start of the process until its first refresh has been painted."""
    here, there = os.pipe()
    before = time.perf_counter()
    child = Child(_PAINT.replace("{make}", make), [str(there)], pass_fds=[there])
    os.close(there)
    try:
        said = os.read(here, 1)
        seconds = time.perf_counter() - before
        child.process.wait(15)
    finally:
        os.close(here)
        child.end()
    if not said:
        raise BenchError("The app ended before it was painted.")
    return seconds


def _ready(spec: EngineSpec, cache_dir: Path, data_dir: str, again: list[float]) -> float:
    """Seconds until the worker is ready; `again` gets those that its second run takes to its first steps."""
    events: queue.Queue[Event] = queue.Queue()
    worker = Supervisor(spec, events.put, cache_dir=cache_dir)
    config = from_settings({"epochs": 1, "limit_train": 256, "limit_test": 16, "data_dir": data_dir})

    def wait_for(kind: type[Event]) -> float:
        while True:
            event = events.get(timeout=WAIT_SECONDS)
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
            asked = time.perf_counter()
            worker.start_run("second", config, folder)
            again.append(wait_for(TrainProgress) - asked)
            wait_for(RunFinished)
    except queue.Empty:
        raise BenchError(f"{spec.title} did not answer within {WAIT_SECONDS:.0f} s.") from None
    finally:
        worker.end()
        thread.join()
    return ready
