"""How long one waits: for a word of the command line, for the first paint, for a worker, and for the second run."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from engines.api import (
    EngineSpec,
    Event,
    Measurement,
    RunFailed,
    RunFinished,
    Supervisor,
    TrainProgress,
    WorkerReady,
    bench,
    from_settings,
)
from tui.bench_terminal import Child

_PAINT = """
import os, sys
{make}
def painted():
    os.write(int(sys.argv[1]), b"!")
    app.exit()
app.call_later(app.call_after_refresh, painted)
app.run()
"""
_OURS = """
from tui.app import MnistApp
from tui.replay import Replay
app = MnistApp(session=Replay([]))
"""
_EMPTY = """
from textual.app import App
app = App()
"""
_BARE = {"pytorch": "import os, torch; os._exit(0)", "keras": "import os, tensorflow, keras; os._exit(0)"}
"""Without what it costs to come down again."""
WAIT_SECONDS = 180.0


def measure(specs: Sequence[EngineSpec], repeats: int, cache_dir: Path, data_dir: str) -> Iterator[Measurement]:
    """Everything that one waits for, against the same of a plain program. Raises BenchError."""
    command = "from tui.cli import main; main([{!r}])"
    seconds = "times the plain program's seconds"
    yield _ratio("--version, to `import argparse`", seconds, repeats, "≤ 1.5",
                 lambda: _timed(command.format("--version")), lambda: _timed("import argparse"))  # fmt: skip
    yield _ratio("--help, to a Python that does nothing", seconds, repeats, "",
                 lambda: _timed("import sys\n" + command.format("--help"), codes=(0,)), lambda: _timed("pass"))  # fmt: skip
    yield _ratio("first paint, to an empty Textual app", seconds, repeats, "≤ 1.25",
                 lambda: _painted(_OURS), lambda: _painted(_EMPTY))  # fmt: skip
    for spec in specs:
        bare = _BARE[spec.name]
        again: list[float] = []
        yield _ratio(f"{spec.name} worker ready, to a bare import", seconds, repeats, "≤ 1.1",
                     lambda spec=spec, again=again: _ready(spec, cache_dir, data_dir, again),  # type: ignore[misc]
                     lambda spec=spec, bare=bare: _timed(bare, python=spec.python))  # type: ignore[misc]  # fmt: skip
        yield Measurement(
            f"{spec.name}, second run in a warm worker", "seconds to its first steps", tuple(again), "≤ 0.5"
        )


def _ratio(
    name: str, meaning: str, repeats: int, budget: str, ours: Callable[[], float], plain: Callable[[], float]
) -> Measurement:
    ours(), plain()  # files into the page cache
    return Measurement(name, meaning, tuple(ours() / plain() for _ in range(repeats)), budget)


def _timed(script: str, python: str = sys.executable, codes: Sequence[int] = (0,)) -> float:
    """Seconds of a whole process."""
    before = time.perf_counter()
    done = subprocess.run([python, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if done.returncode not in codes:
        raise bench.BenchError(f"`{script}` ended with {done.returncode} in {python}.")
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
        raise bench.BenchError("The app ended before it was painted.")
    return seconds


def _ready(spec: EngineSpec, cache_dir: Path, data_dir: str, again: list[float]) -> float:
    """Seconds until the worker is ready; `again` gets those that its second run takes to its first steps."""
    events: queue.Queue[Event] = queue.Queue()
    worker = Supervisor(spec, events.put, cache_dir=cache_dir)
    thread = threading.Thread(target=worker.run)
    config = from_settings({"epochs": 1, "limit_train": 256, "limit_test": 16, "data_dir": data_dir})

    def wait_for(kind: type[Event]) -> float:
        while True:
            event = events.get(timeout=WAIT_SECONDS)
            if isinstance(event, RunFailed):
                raise bench.BenchError(event.message)
            if isinstance(event, kind):
                return time.perf_counter()

    before = time.perf_counter()
    thread.start()
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
        raise bench.BenchError(f"{spec.title} did not answer within {WAIT_SECONDS:.0f} s.") from None
    finally:
        worker.end()
        thread.join()
    return ready
