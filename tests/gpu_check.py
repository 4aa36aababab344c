"""Check everything that needs a CUDA GPU, and print one table (`make gpu-check`).

Needs the standard library, numpy, and PyTorch or Keras or both; a missing part is a skipped row. The exit code is 1 when a part
that could run failed.
"""

from __future__ import annotations

import queue
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from engines.config import TITLES
from engines.messages.events import (
    DataReady,
    EpochCompleted,
    EvalCompleted,
    Event,
    Heartbeat,
    RunFailed,
    RunFinished,
    TrainProgress,
    WorkerReady,
)
from engines.messages.grammar import violations
from engines.monitors.gpu import GpuMonitor
from engines.preset_configs import from_settings
from engines.supervision.registry import EngineSpec
from engines.supervision.supervisor import Supervisor

Row = tuple[str, str, str]


class Skipped(Exception):
    """A part is missing on this machine."""


class CheckedWorker:
    """One engine's worker, and the events that it sent."""

    def __init__(self, engine: str, cache: Path) -> None:
        spec = EngineSpec(name=engine, title=TITLES[engine], module=f"engines.{engine}.engine", python=sys.executable)
        self.events: list[Event] = []
        self._inbox: queue.Queue[Event] = queue.Queue()
        self.supervisor = Supervisor(spec, self._on_event, cache_dir=cache, threads=2)
        self._thread = threading.Thread(target=self.supervisor.run, daemon=True)
        self._thread.start()

    def _on_event(self, event: Event) -> None:
        self.events.append(event)
        self._inbox.put(event)

    def wait_for(self, *types: type[Event]) -> Any:
        """Return the next event of these types. Raises Skipped without the framework, RuntimeError when the run fails."""
        while True:
            event = self._inbox.get(timeout=600)
            if isinstance(event, RunFailed):
                if event.kind == "missing-framework":
                    raise Skipped(event.message)
                raise RuntimeError(f"{event.message} {event.traceback}")
            if isinstance(event, types):
                return event

    def train(self, run_id: str, **settings: Any) -> list[Event]:
        """Train one run to its end, and return its events."""
        self.supervisor.start_run(run_id, from_settings(settings))
        self.wait_for(RunFinished)
        return [event for event in self.events if event.run_id == run_id]

    def close(self) -> None:
        """Stop the worker."""
        self.supervisor.end()
        self._thread.join(10)


def check_engine(engine: str, cache: Path) -> list[Row]:
    """Return the rows of one engine."""
    rows: list[Row] = []
    worker = CheckedWorker(engine, cache)
    try:
        ready = worker.wait_for(WorkerReady)
        gpus = [device for device in ready.devices if device.id.startswith("cuda") and device.usable]
        rows.append((engine, "framework", f"{ready.framework}, imported in {ready.import_seconds:.1f} s"))
        if not gpus:
            raise Skipped("; ".join(device.reason for device in ready.devices if device.reason) or "no GPU")
        rows.append((engine, "device", f"{gpus[0].id} {gpus[0].name}"))
        run = worker.train("gpu", epochs=12, device="cuda:0")
        rows += _figures(engine, run)
        first_loss = {}
        for device in ("cpu", "cuda:0"):
            run = worker.train(f"first-{device}", epochs=1, limit_train=128, limit_test=500, dropout=0.0, device=device)
            first_loss[device] = next(e for e in run if isinstance(e, TrainProgress)).loss
        difference = abs(first_loss["cpu"] - first_loss["cuda:0"])
        verdict = "" if difference < 1e-4 else "FAILED "
        rows.append((engine, "first loss, cpu against cuda", f"{verdict}difference {difference:.1e}"))
        if len(gpus) > 1:
            rows += _check_all_gpus(engine, worker, len(gpus))
        memory = [e.device_memory_bytes for e in worker.events if isinstance(e, Heartbeat) and e.device_memory_bytes]
        rows.append((engine, "allocator", f"{max(memory) / 1e6:.0f} MB" if memory else "FAILED no figure"))
    except Skipped as skipped:
        rows.append((engine, "skipped", str(skipped)))
    except Exception as error:
        rows.append((engine, "FAILED", f"{type(error).__name__}: {error}"))
    finally:
        worker.close()
    faults = violations(worker.events)
    rows.append((engine, "grammar", f"FAILED {faults[0]}" if faults else "followed"))
    return rows


def _check_all_gpus(engine: str, worker: CheckedWorker, count: int) -> list[Row]:
    """Compare a run on all GPUs with one on a single GPU."""
    run = worker.train("gpus", epochs=12, device="all")
    rows = [(engine, f"{name}, {count} GPUs", value) for _, name, value in _figures(engine, run)]
    losses = []
    for device in ("cuda:0", "all"):
        run = worker.train(f"together-{device}", epochs=1, limit_train=600, limit_test=500, dropout=0.0, device=device)
        losses.append(next(e for e in run if isinstance(e, EpochCompleted)).train_loss)
    difference = abs(losses[0] - losses[1])
    verdict = "" if difference < 1e-3 else "FAILED "
    return [*rows, (engine, "loss of five steps, one GPU against all", f"{verdict}difference {difference:.1e}")]


def _figures(engine: str, run: list[Event]) -> list[Row]:
    epochs = [e for e in run if isinstance(e, EpochCompleted)]
    tests = [e for e in run if isinstance(e, EvalCompleted)]
    (data,) = [e for e in run if isinstance(e, DataReady)]
    rates = sorted(e.samples_per_sec or 0.0 for e in epochs)
    return [
        (engine, "digits", f"{data.dataset} {data.train_size:,} + {data.test_size:,}"),
        (engine, "training, 12 epochs", f"{sum(e.train_seconds for e in epochs):.2f} s, median {rates[6]:,.0f} img/s"),
        (engine, "first step", f"{epochs[0].first_step_seconds:.2f} s"),
        (engine, "test accuracy", f"{100 * tests[-1].accuracy:.2f} %"),
    ]


def main() -> int:
    """Run every check, print the table, and return the exit code."""
    monitor = GpuMonitor()
    usage = monitor.sample()
    rows = [("NVML", f"GPU {gpu.index}", f"{gpu.name}, {gpu.power_watts} W") for gpu in usage.readings]
    rows = rows or [("NVML", "skipped", usage.reason)]
    with tempfile.TemporaryDirectory() as cache:
        for engine in ("pytorch", "keras"):
            rows += check_engine(engine, Path(cache))
    widths = [max(len(row[i]) for row in rows) for i in range(2)]
    for row in rows:
        print(f"| {row[0]:{widths[0]}} | {row[1]:{widths[1]}} | {row[2]}")
    return 1 if any("FAILED" in cell for row in rows for cell in row) else 0


if __name__ == "__main__":
    sys.exit(main())
