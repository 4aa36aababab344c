"""A first look at everything a run needs: interpreters, frameworks, devices, data, cores. Says what to mend."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.data.sources import find_digits
from engines.events import Event, RunFailed, WorkerExited, WorkerReady
from engines.monitors.gpu import GpuMonitor
from engines.monitors.limits import memory_limit, usable_core_ids
from engines.supervisor import EngineSpec, Supervisor
from engines.version import __version__

PROBE_SECONDS = 120.0
"""A framework that takes longer to import is as good as broken."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    subject: str
    state: str
    """"ok", "note" or "bad": bad means that a chosen engine can't run."""
    text: str
    fix: str = ""


def diagnose(specs: Sequence[EngineSpec], data_dir: Path | None, cache_dir: Path) -> list[Finding]:
    """Every finding; each engine is probed in its own interpreter, all at once."""
    found = [Finding("mnist-tui", "ok", __version__), _cores()]
    answers: dict[str, list[Finding]] = {}
    threads = [
        threading.Thread(target=lambda spec=spec: answers.__setitem__(spec.name, probe(spec, cache_dir)))
        for spec in specs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for spec in specs:
        found += answers[spec.name]
    return [*found, _gpus(), *_digits(data_dir, cache_dir)]


def probe(spec: EngineSpec, cache_dir: Path, timeout: float = PROBE_SECONDS) -> list[Finding]:
    """Import the engine in a worker and ask for its devices."""
    answers: list[Event] = []
    answered = threading.Event()

    def hear(event: Event) -> None:
        if isinstance(event, WorkerReady | RunFailed | WorkerExited):
            answers.append(event)
            answered.set()

    supervisor = Supervisor(spec, hear, cache_dir=cache_dir, threads=1)
    thread = threading.Thread(target=supervisor.run, daemon=True)
    thread.start()
    in_time = answered.wait(timeout)
    supervisor.end()
    thread.join()
    where = f"in {spec.python} ({spec.python_from})"
    if not in_time:
        return [
            Finding(spec.title, "bad", f"did not import within {timeout:.0f} s {where}", f"{spec.python} -X importtime")
        ]
    answer = answers[0]
    if isinstance(answer, RunFailed):
        return [Finding(spec.title, "bad", f"{answer.message} {where}", answer.hint)]
    if not isinstance(answer, WorkerReady):
        return [
            Finding(spec.title, "bad", f"its worker ended at once {where}", f"{spec.python} -c 'import {spec.name}'")
        ]
    found = [Finding(spec.title, "ok", f"{answer.framework}, imported in {answer.import_seconds:.1f} s {where}")]
    for device in answer.devices:
        text = f"{device.id} {device.name}" + (f": {device.reason}" if device.reason else "")
        found.append(Finding(f"{spec.title} device", "ok" if device.usable else "note", text))
    return found


def _cores() -> Finding:
    cores, limit = usable_core_ids(), memory_limit()
    text = f"{len(cores)} usable ({', '.join(map(str, cores))})"
    return Finding("cores", "ok", text + (f", memory limit {limit / 1e9:.1f} GB" if limit else ""))


def _gpus() -> Finding:
    monitor = GpuMonitor()
    usage = monitor.sample()
    monitor.close()
    if not usage.readings:
        return Finding("GPU figures", "note", f"none: {usage.reason}")
    return Finding("GPU figures", "ok", ", ".join(f"GPU {gpu.index} {gpu.name}" for gpu in usage.readings))


def _digits(data_dir: Path | None, cache_dir: Path) -> list[Finding]:
    found = [
        Finding("data", "ok", f"MNIST in {copy.path} ({copy.origin})") for copy in find_digits(data_dir, cache_dir)
    ]
    return found or [
        Finding(
            "data",
            "note",
            "no MNIST here: it is downloaded at the first run, or digits are drawn",
            "mnist-tui data --fetch",
        )
    ]
