"""A run of another process, shown live from its growing record."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path

from engines.config import ENGINES, TrainConfig
from engines.errors import reason
from engines.messages.events import TERMINAL_EVENTS, Event, Prediction
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory
from engines.runs.reader import interruption, is_being_recorded, next_run, read_json
from engines.runs.record_tail import RecordTail
from engines.runs.seeds import SeedResults
from engines.session.replay import FAR
from engines.session.run_source import RunSource

POLL_SECONDS = 0.25
SILENT_SECONDS = 10.0
"""Seconds without a new event after which the writer counts as silent; usually it records the machine's usage each second."""
QUIET_SECONDS = 5.0
"""Seconds without a new event after which to find out whether the writer lives."""
PROBE_SECONDS = 2.0
"""Seconds between two looks at whether a quiet writer lives, and at which run continues an ended one."""
MAX_EVENTS_PER_DRAIN = 5_000
"""Events that are applied at once, so that the long past of a run does not hold up the screen."""


class Watch(RunSource):
    """The run in a folder that another process writes. Commands do nothing, and predictions have no model.

    A thread of its own reads the record, because a network file system may block it.
    """

    recorded = True

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to follow a run. Raises ValueError where the folder holds none."""
        config = (read_json(folder / "config.json") or {}).get("engines")
        self.engines = tuple(engine for engine in ENGINES if isinstance(config, dict) and engine in config)
        if not self.engines:
            raise ValueError(f"{folder} holds no run of mnist-tui.")
        self._folder = folder
        self._clock = clock
        self._reset()
        self.seed_results = SeedResults()
        self._tail = RecordTail(folder / "events.jsonl")
        self._events: deque[Event | None] = deque()
        """Events to be applied; None where the record starts over."""
        self._open = set(self.engines)
        """The engines whose end was not read yet."""
        self._newest_t: float | None = None
        """Time of the newest event that was read."""
        self._heard_at = clock()
        """Its moment on the watcher's clock, which may run on another machine."""
        self._lag = 0.0
        """Seconds by which the watcher's clock is ahead of the events'."""
        self._lag_is_guessed = True
        """True until an event was read as it came; what was there before has the file's age, by a clock that may be wrong."""
        self._probed_at = -math.inf
        self._interrupted = False
        self._next_run = ""
        self._read_problem = ""
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def _reset(self) -> None:
        self.histories = {engine: RunHistory(engine) for engine in self.engines}
        self.machine = MachineHistory()

    # In the reader's thread

    def poll(self) -> None:
        """Read what the record has gained; after a silence, find out whether its writer lives."""
        first = self._newest_t is None
        try:
            replaced, events = self._tail.read()
        except FileNotFoundError as error:  # a new run's record comes a moment after its folder
            self._read_problem = "" if first else f"The record of this run is gone: {reason(error)}."
            return
        except OSError as error:  # a network file system recovers, or not
            self._read_problem = f"The record of this run can't be read: {reason(error)}."
            return
        self._read_problem = ""
        if events and self._interrupted:  # the writer lives after all, and its locks are not seen here
            self._tail, self._interrupted = RecordTail(self._folder / "events.jsonl"), False
            replaced, (_, events) = True, self._tail.read()
        if replaced:
            self._open = set(self.engines)
            self._events.append(None)
        events = [event for event in events if abs(event.t) < FAR and not isinstance(event, Prediction)]
        self._events.extend(events)
        if events:
            self._hear(max(event.t for event in events), first=first)
        self._open -= {event.engine for event in events if isinstance(event, TERMINAL_EVENTS)}
        now = self._clock()
        if (self.ended or now - self._heard_at >= QUIET_SECONDS) and now - self._probed_at >= PROBE_SECONDS:
            self._probed_at = now
            self._probe()

    def _hear(self, newest_t: float, *, first: bool) -> None:
        """Set the clock by the newest event; the first read finds events that may have been there for long."""
        self._newest_t = newest_t
        self._heard_at = self._clock() - (self._tail.age_seconds if first else 0.0)
        lag = self._heard_at - newest_t
        self._lag = lag if self._lag_is_guessed else min(self._lag, lag)
        self._lag_is_guessed = first

    def _probe(self) -> None:
        if self._open and is_being_recorded(self._folder) is False:
            if (self._folder / "summary.json").is_file():  # without the engines that never started
                self._open = set()
            else:
                self._interrupted = True
        if self.ended:
            self._next_run = next_run(self._folder)

    def _follow(self) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(OSError):
                self.poll()
            self._closed.wait(POLL_SECONDS)

    # On the screen's thread

    def start_workers(self, configs: Mapping[str, TrainConfig]) -> None:
        """Start to follow the record."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="watch", daemon=True)
            self._thread.start()

    def close(self, timeout: float = 4.5) -> bool:
        self._closed.set()
        return True

    @property
    def ended(self) -> bool:
        """True once the record is complete, or breaks off because its writer has ended."""
        return not self._open or self._interrupted

    @property
    def silent_seconds(self) -> float:
        """Seconds without news of a run that has not ended; 0 while they are fewer than SILENT_SECONDS."""
        silent = self._clock() - self._heard_at
        return silent if not self.ended and silent >= SILENT_SECONDS else 0.0

    @property
    def badge(self) -> str:
        if self.ended:
            return super().badge
        silent = self.silent_seconds
        duration = f"{silent:.0f} s" if silent < 120 else f"{silent / 60:.0f} min"
        return f"WATCHING, no news for {duration}" if silent else "WATCHING"

    @property
    def problem(self) -> str:
        if self._next_run:
            return f"This run continues as {self._next_run}."
        if self._interrupted:
            return "No process writes the record of this run any more, and it has no end."
        return self._read_problem

    def now(self) -> float:
        return self._clock() - self._lag if self._newest_t is not None else 0.0

    def folder(self, engine: str) -> Path | None:
        return self._folder

    def checkpoint(self, engine: str) -> Path | None:
        return self._folder / f"{engine}.npz"  # the writer's own path may be that of another machine

    def drain(self) -> set[str]:
        changed = set()
        for _ in range(min(len(self._events), MAX_EVENTS_PER_DRAIN)):
            event = self._events.popleft()
            if event is None:
                self._reset()
                changed |= set(self.histories)
            elif event.engine in self.histories:
                self.histories[event.engine].apply(event)
                changed.add(event.engine)
            elif event.engine == "machine":
                self.machine.apply(event)
                changed.add(event.engine)
        for engine, history in self.histories.items():
            if history.alive:  # the record has no heartbeats: the badge tells of silence, not the panes
                history.last_worker_t = self.now()
            if self._interrupted and not self._events and history.running:
                history.apply(interruption(history))
                changed.add(engine)
        return changed
