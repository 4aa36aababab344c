"""`make gpu-check`: everything that needs a CUDA GPU, in one command and one table.

Runs on a bare machine: the standard library, numpy and whatever of PyTorch and Keras is installed. What is missing is skipped by
name. Exit code 1 when something that could run failed.
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
    """Something that can't be had on this machine."""


class Check:
    """One engine's worker and what it says."""

    def __init__(self, engine: str, cache: Path) -> None:
        spec = EngineSpec(name=engine, title=TITLES[engine], module=f"engines.{engine}.engine", python=sys.executable)
        self.events: list[Event] = []
        self._inbox: queue.Queue[Event] = queue.Queue()
        self.supervisor = Supervisor(spec, self._hear, cache_dir=cache, threads=2)
        self._thread = threading.Thread(target=self.supervisor.run, daemon=True)
        self._thread.start()

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        self._inbox.put(event)

    def wait_for(self, *kinds: type[Event]) -> Any:
        """The next event of these kinds; a failure is raised."""
        while True:
            event = self._inbox.get(timeout=600)
            if isinstance(event, RunFailed):
                if event.kind == "missing-framework":
                    raise Skipped(event.message)
                raise RuntimeError(f"{event.message} {event.traceback}")
            if isinstance(event, kinds):
                return event

    def train(self, run_id: str, **settings: Any) -> list[Event]:
        """Run to the end; the run's events."""
        self.supervisor.start_run(run_id, from_settings(settings))
        self.wait_for(RunFinished)
        return [event for event in self.events if event.run_id == run_id]

    def close(self) -> None:
        """End the worker."""
        self.supervisor.end()
        self._thread.join(10)


def check_engine(engine: str, cache: Path) -> list[Row]:
    """The rows of one engine."""
    rows: list[Row] = []
    check = Check(engine, cache)
    try:
        ready = check.wait_for(WorkerReady)
        gpus = [device for device in ready.devices if device.id.startswith("cuda") and device.usable]
        rows.append((engine, "framework", f"{ready.framework}, imported in {ready.import_seconds:.1f} s"))
        if not gpus:
            raise Skipped("; ".join(device.reason for device in ready.devices if device.reason) or "no GPU")
        rows.append((engine, "device", f"{gpus[0].id} {gpus[0].name}"))
        run = check.train("gpu", epochs=12, device="cuda:0")
        rows += _figures(engine, run)
        first = {}
        for device in ("cpu", "cuda:0"):
            run = check.train(f"first-{device}", epochs=1, limit_train=128, limit_test=500, dropout=0.0, device=device)
            first[device] = next(e for e in run if isinstance(e, TrainProgress)).loss
        difference = abs(first["cpu"] - first["cuda:0"])
        verdict = "" if difference < 1e-4 else "FAILED "
        rows.append((engine, "first loss, cpu against cuda", f"{verdict}difference {difference:.1e}"))
        if len(gpus) > 1:
            rows += _together(engine, check, len(gpus))
        memory = [e.device_memory_bytes for e in check.events if isinstance(e, Heartbeat) and e.device_memory_bytes]
        rows.append((engine, "allocator", f"{max(memory) / 1e6:.0f} MB" if memory else "FAILED no figure"))
    except Skipped as skipped:
        rows.append((engine, "skipped", str(skipped)))
    except Exception as error:
        rows.append((engine, "FAILED", f"{type(error).__name__}: {error}"))
    finally:
        check.close()
    broken = violations(check.events)
    rows.append((engine, "grammar", f"FAILED {broken[0]}" if broken else "kept"))
    return rows


def _together(engine: str, check: Check, count: int) -> list[Row]:
    """All GPUs as one."""
    run = check.train("gpus", epochs=12, device="all")
    rows = [(engine, f"{what}, {count} GPUs", said) for _, what, said in _figures(engine, run)]
    losses = []
    for device in ("cuda:0", "all"):
        run = check.train(f"together-{device}", epochs=1, limit_train=600, limit_test=500, dropout=0.0, device=device)
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
    """Print the table."""
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
