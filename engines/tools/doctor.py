"""Check everything that a run needs, and name the command that fixes each fault."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue

from engines.supervision.environment import environment_notes
from engines.supervision.one_shot import TIMEOUT_SECONDS
from engines.supervision.registry import EngineSpec
from engines.tools import allocation_checks, engine_checks, machine_checks
from engines.tools.finding import Finding, run_check, unchecked
from engines.version import version_and_commit


def diagnose(
    specs: Sequence[EngineSpec],
    data_dir: Path | None,
    cache_dir: Path,
    runs_dir: Path,
    timeout: float = TIMEOUT_SECONDS,
) -> Iterator[Finding]:
    """Yield each finding as soon as it is known; the engines are checked in their own interpreters, all at once."""
    yield Finding("mnist-tui", "ok", f"{version_and_commit()}, Python {sys.version.split()[0]} in {sys.executable}")
    yield from run_check("limits", lambda: [machine_checks.limits_finding()])
    yield from run_check("config.toml", machine_checks.config_findings)
    queues = [SimpleQueue[Finding | None]() for _ in specs]

    def check_engine(spec: EngineSpec, queue: SimpleQueue[Finding | None]) -> None:
        try:
            for finding in run_check(spec.title, lambda: engine_checks.engine_findings(spec, cache_dir, timeout)):
                queue.put(finding)
        finally:
            queue.put(None)

    for spec, queue in zip(specs, queues, strict=True):
        try:
            threading.Thread(target=check_engine, args=(spec, queue)).start()
        except RuntimeError as error:
            queue.put(unchecked(spec.title, error))
            queue.put(None)
    yield from run_check("terminal", lambda: machine_checks.terminal_findings(os.environ))
    yield from run_check("data", lambda: machine_checks.data_findings(data_dir, cache_dir))
    yield from run_check("cache folder", lambda: [machine_checks.folder_finding("cache", cache_dir)])
    yield from run_check("runs folder", lambda: [machine_checks.folder_finding("runs", runs_dir)])
    yield from run_check("temp folder", lambda: [machine_checks.temp_folder_finding()])
    yield from run_check("GPU", lambda: machine_checks.gpu_findings(os.environ))
    yield from run_check("allocation", lambda: allocation_checks.allocation_findings(os.environ))
    yield from (Finding("environment", "note", text) for text in environment_notes())
    for queue in queues:
        yield from iter(queue.get, None)
