"""One engine's worker, trained run by run through the commands and events that the app uses."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engines.messages.events import Event, RunFailed, RunFinished, WorkerExited, WorkerReady
from engines.monitors.cgroups import usable_cores
from engines.preset_configs import from_settings
from engines.supervision.one_shot import run_in_thread
from engines.supervision.registry import EngineSpec
from engines.supervision.supervisor import Supervisor
from tests.gpu_check.table import Failed, Skipped

WAIT_SECONDS = 240.0
"""Longest time to wait for an event, and for the end of a run: compiling kernels for a new GPU takes minutes."""


class CheckedWorker:
    """A worker process and all events that it sent."""

    def __init__(self, spec: EngineSpec, cache_dir: Path) -> None:
        self.events: list[Event] = []
        self._inbox: queue.Queue[Event] = queue.Queue()
        self._runs = 0
        self.supervisor = Supervisor(spec, self._receive, cache_dir=cache_dir, threads=usable_cores())
        self._thread = run_in_thread(self.supervisor)

    def _receive(self, event: Event) -> None:
        self.events.append(event)
        self._inbox.put(event)

    def wait_for(self, *kinds: type[Event], on_event: Callable[[Event], None] = lambda _: None) -> Any:
        """Return the next event of these kinds; `on_event` gets every event until then.

        Raises Skipped without the framework, and Failed when a run fails, when the worker ends, or after WAIT_SECONDS.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                event = self._inbox.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                names = " or ".join(kind.__name__ for kind in kinds)
                raise Failed(f"no {names} within {WAIT_SECONDS:.0f} s") from None
            if isinstance(event, RunFailed):
                if event.kind == "missing-framework":
                    raise Skipped(event.message)
                raise Failed(f"{event.message} {event.hint}")
            if isinstance(event, WorkerExited):
                raise Failed(f"the worker ended by {event.signal or f'code {event.returncode}'}")
            on_event(event)
            if isinstance(event, kinds):
                return event

    def wait_until_ready(self) -> None:
        """Wait for the import of the framework. Raises Skipped without it."""
        self.ready: WorkerReady = self.wait_for(WorkerReady)

    def train(
        self,
        settings: dict[str, Any],
        *,
        run_dir: str = "",
        resume: str = "",
        on_event: Callable[[Event], None] = lambda _: None,
    ) -> list[Event]:
        """Train one run to its end and return its events. Raises Failed when it does not complete."""
        self._runs += 1
        run_id = f"run-{self._runs}"
        if not self.supervisor.start_run(run_id, from_settings(settings), run_dir, resume=resume):
            raise Failed("the worker has ended")
        finished = self.wait_for(RunFinished, on_event=on_event)
        if finished.outcome != "completed":
            raise Failed(f"the run ended as {finished.outcome}")
        return [event for event in self.events if event.run_id == run_id]

    def close(self) -> None:
        """Kill the worker and wait for its end."""
        self.supervisor.kill()
        self._thread.join(10)
