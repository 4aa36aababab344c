"""A worker that is started to be asked one thing, writes its answer where its arguments say, and ends."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from engines.messages.events import Event, LogLine, RunFailed, WorkerExited
from engines.supervision.fatal_message import RECENT_LINES, fatal_message
from engines.supervision.registry import EngineSpec
from engines.supervision.supervisor import Supervisor

PATIENCE_SECONDS = 120.0
"""A framework that takes longer to import, and to train one step, is as good as broken."""
LOOK_SECONDS = 0.05
"""How late it may be seen that nobody waits any longer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How the worker fared; what it answered is in its file."""

    failure: RunFailed | None
    """What it says went wrong."""
    exited: WorkerExited | None
    """None when it was cut off, for it took too long or was cancelled."""
    last_words: str = ""
    """The line, of all that it printed, that says why it ended."""

    @property
    def why_none(self) -> str:
        """Where there is no file: what the worker says of it, or how it ended and its last words."""
        if self.failure is not None:
            return f"{self.failure.message} {self.failure.hint}".strip()
        if self.exited is None:
            return "it did not answer in time"
        how = self.exited.signal or f"code {self.exited.returncode}"
        last = f": {self.last_words}" if self.last_words else ""
        return f"its worker ended by {how} without an answer{last}"


def run_once(
    spec: EngineSpec,
    arguments: Sequence[str],
    *,
    cache_dir: Path,
    cores: Sequence[int] = (),
    timeout: float | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    hear: Callable[[Event], None] = lambda _: None,
) -> Answer:
    """Wait until the worker has ended, or `timeout` seconds; whatever happens, no worker is left. `hear` runs in its thread.

    A worker that could not be started, or whose supervisor raised an exception, gives an Answer with that failure.
    """
    failures: list[RunFailed] = []
    exits: list[WorkerExited] = []
    printed: deque[str] = deque(maxlen=RECENT_LINES)

    def listen(event: Event) -> None:
        if isinstance(event, RunFailed):
            failures.append(event)
        elif isinstance(event, WorkerExited):
            exits.append(event)
        elif isinstance(event, LogLine) and event.stream in ("stdout", "stderr"):
            printed.append(event.text)
        hear(event)

    threads = max(1, len(cores))
    supervisor = Supervisor(spec, listen, cache_dir=cache_dir, cores=cores, threads=threads, arguments=arguments)
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    try:
        thread = run_in_thread(supervisor)
    except RuntimeError as error:  # no more threads can be started
        supervisor.abort(error)
        return Answer(failures[0], exits[0])
    try:
        while thread.is_alive() and not cancelled() and time.monotonic() < deadline:
            thread.join(LOOK_SECONDS)
    finally:
        cut_off = thread.is_alive()
        if cut_off:
            supervisor.kill()
        thread.join()
    return Answer(
        failures[0] if failures else None, exits[0] if exits and not cut_off else None, fatal_message(list(printed))
    )


def run_in_thread(supervisor: Supervisor) -> threading.Thread:
    """Start a thread that runs `supervisor`; an exception in it ends the worker, in a RunFailed. Raises RuntimeError."""

    def run() -> None:
        try:
            supervisor.run()
        except Exception as error:  # a thread's exception reaches no caller, who would wait for an end that never comes
            supervisor.abort(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
