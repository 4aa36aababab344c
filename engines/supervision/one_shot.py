"""Run a worker for one answer, which it writes to the file that its arguments name."""

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
from engines.ulimits import limit_behind, limit_in

TIMEOUT_SECONDS = 120.0
"""Time to import a framework and train one step, after which it counts as broken."""
POLL_SECONDS = 0.05
"""Longest delay before a cancellation is noticed."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of a worker that was run for one answer; the answer itself is in its file."""

    failure: RunFailed | None
    """The failure that it reported."""
    exited: WorkerExited | None
    """None when the worker was killed because of the timeout or a cancellation."""
    last_words: str = ""
    """The printed line that says why the worker ended."""
    hint: str = ""
    """Advice about the limit that ended the worker; empty when none did."""

    @property
    def failure_reason(self) -> str:
        """The reason for a missing file: the failure that the worker reported, or its exit, and what to do."""
        if self.failure is not None:
            return self.failure.explanation
        return f"{self.exit_reason}. {self.hint}" if self.hint else self.exit_reason

    @property
    def exit_reason(self) -> str:
        """The end of a worker that gave no answer, and its last words."""
        if self.exited is None:
            return "it did not answer in time"
        how = self.exited.signal or f"code {self.exited.returncode}"
        last = f": {self.last_words}" if self.last_words and how != "SIGKILL" else ""  # which leaves no time for any
        return f"its worker ended by {how} without an answer{last}"


def run_once(
    spec: EngineSpec,
    arguments: Sequence[str],
    *,
    cache_dir: Path,
    cores: Sequence[int] = (),
    timeout: float | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    on_event: Callable[[Event], None] = lambda _: None,
) -> Answer:
    """Run a worker until it ends, `timeout` seconds pass or `cancelled` returns True; no worker is left then.

    `on_event` is called in the worker's thread. A worker that could not be started, or whose supervisor raised an exception, gives
    an Answer with that failure.
    """
    failures: list[RunFailed] = []
    exits: list[WorkerExited] = []
    printed: deque[str] = deque(maxlen=RECENT_LINES)

    def collect(event: Event) -> None:
        if isinstance(event, RunFailed):
            failures.append(event)
        elif isinstance(event, WorkerExited):
            exits.append(event)
        elif isinstance(event, LogLine) and event.stream in ("stdout", "stderr"):
            printed.append(event.text)
        on_event(event)

    threads = max(1, len(cores))
    supervisor = Supervisor(spec, collect, cache_dir=cache_dir, cores=cores, threads=threads, arguments=arguments)
    deadline = math.inf if timeout is None else time.monotonic() + timeout
    try:
        thread = run_in_thread(supervisor)
    except RuntimeError as error:  # no more threads can be started
        supervisor.abort(error)
        return Answer(failures[0], exits[0])
    try:
        while thread.is_alive() and not cancelled() and time.monotonic() < deadline:
            thread.join(POLL_SECONDS)
    finally:
        cut_off = thread.is_alive()
        if cut_off:
            supervisor.kill()
        thread.join()
    exited = exits[0] if exits and not cut_off else None
    last_words = fatal_message(list(printed))
    hint = limit_behind(exited.signal, supervisor.cpu_seconds) or limit_in(last_words) if exited else ""
    return Answer(failures[0] if failures else None, exited, last_words, hint)


def run_in_thread(supervisor: Supervisor) -> threading.Thread:
    """Start a thread that runs `supervisor`; an exception in it ends the worker with a RunFailed. Raises RuntimeError."""

    def run() -> None:
        try:
            supervisor.run()
        except Exception as error:  # an exception in a thread reaches no caller, who would wait forever
            supervisor.abort(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread
