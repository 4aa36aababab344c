"""A run of another process, shown live from its growing record."""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from engines.config import ENGINES, TrainConfig
from engines.errors import reason
from engines.messages.commands import UNTRAINED
from engines.messages.events import TERMINAL_EVENTS, CheckpointSaved, Event, Prediction, RunRequested
from engines.record import Record
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory
from engines.runs.reader import interruption, is_being_recorded, next_run, read_json
from engines.runs.record_tail import RecordTail
from engines.runs.seeds import SeedResults
from engines.runs.stored_seeds import read_seed_results
from engines.session.recorded_models import RecordedModels
from engines.session.replay import FAR
from engines.session.run_source import NO_WEIGHTS, RunSource

POLL_SECONDS = 0.25
SILENT_SECONDS = 10.0
"""Seconds without a new event after which the writer counts as silent; usually it records the machine's usage each second."""
QUIET_SECONDS = 5.0
"""Seconds without a new event after which to find out whether the writer lives."""
PROBE_SECONDS = 2.0
"""Seconds between two looks at whether a quiet writer lives, and at which run continues an ended one."""
NOTICE_SECONDS = 15.0
"""Seconds for which the screen says that it shows another run from now on."""
MAX_EVENTS_PER_DRAIN = 5_000
"""Events that are applied at once, so that the long past of a run does not hold up the screen."""


class _Start(Record, kw_only=False):
    """The point between two events where a record starts, or starts over."""

    folder: Path
    engines: tuple[str, ...]
    others: SeedResults | None
    """The results of the other seeds of its series; None without any."""


class Watch(RunSource):
    """The run in a folder that another process writes, and then the run that continues it or is the next of its series.

    Commands do nothing; the weights of the newest checkpoint predict. A thread of its own reads the record, because a network
    file system may block it.
    """

    recorded = True

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare to follow a run. Raises ValueError where the folder holds none, or its record is no file."""
        self.engines = _engines_of(folder)
        if not self.engines:
            raise ValueError(f"{folder} holds no run of mnist-tui.")
        record = folder / "events.jsonl"
        if record.exists() and not record.is_file():
            raise ValueError(f"{record} is not a file, so it holds no record.")
        self._panes = self.engines
        """The engines that the screens have room for: a run with others is not followed."""
        self._folder = folder
        """The folder of the run that is shown."""
        self._clock = clock
        self._models = RecordedModels(None, self.engines)
        self._versions: dict[str, int] = {}
        """A number for the newest checkpoint of each engine that has one."""
        self._next_version = itertools.count(1).__next__
        self._events: deque[Event | _Start | SeedResults] = deque()
        """Events to be applied, and results of the whole series."""
        self._seen: set[str] = set()
        """The ids of the runs that were followed."""
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._was_live = False
        """True once a process wrote what is watched: then the run that follows is shown, also when it has ended already."""
        self._notice = ""
        self._noticed_at = -math.inf
        self._read_problem = ""
        self._reset(_Start(folder, self.engines, None))
        self._begin(folder)

    # In the reader's thread

    def _begin(self, folder: Path) -> None:
        """Follow the record in a folder from its start."""
        self._reading = folder
        self._tail = RecordTail(folder / "events.jsonl")
        self._open = set(_engines_of(folder))
        """The engines whose end was not read yet."""
        self._requested: set[str] = set()
        """The engines whose start was read."""
        self._newest_t: float | None = None
        """Time of the newest event that was read."""
        self._heard_at = self._clock()
        """Its moment on the watcher's clock, which may run on another machine."""
        self._lag = 0.0
        """Seconds by which the watcher's clock is ahead of the events'."""
        self._lag_is_guessed = True
        """True until an event was read as it came; what was there before has the file's age, by a clock that may be wrong."""
        self._probed_at = -math.inf
        self._interrupted = False
        self._next_run = ""
        self._seen.add(folder.name)
        self._is_counted = False
        """True once all seeds of its series were read again after its end."""

    def _start_over(self) -> None:
        """Have the screens start with the run that is read now."""
        others = None
        with contextlib.suppress(OSError):
            others = read_seed_results(self._reading, others=True)
        self._events.append(_Start(self._reading, _engines_of(self._reading), others))

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
            self._tail, self._interrupted = RecordTail(self._reading / "events.jsonl"), False
            replaced, (_, events) = True, self._tail.read()
        events = [event for event in events if abs(event.t) < FAR and not isinstance(event, Prediction)]
        if replaced or (first and events):
            self._open = set(_engines_of(self._reading))
            self._start_over()
        self._events.extend(events)
        self._requested |= {event.engine for event in events if isinstance(event, RunRequested)}
        if events:
            self._hear(max(event.t for event in events), first=first)
        self._open -= {event.engine for event in events if isinstance(event, TERMINAL_EVENTS)}
        if first and self._open:
            self._was_live |= is_being_recorded(self._reading) is not False
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
        if self._open and is_being_recorded(self._reading) is False:
            has_summary = (self._reading / "summary.json").is_file()
            if has_summary and not self._open & self._requested:  # without the engines that never started
                self._open = set()
            else:
                self._interrupted = True
        if not self.ended:
            return
        if name := next_run(self._reading, self._seen):
            self._follow_run(self._reading.with_name(name))
        elif not self._is_counted:
            results, self._is_counted = read_seed_results(self._reading), True
            if results is not None:
                self._events.append(results)

    def _follow_run(self, folder: Path) -> None:
        """Show the run that comes after this one; name it only where it was over before anyone watched."""
        is_live = not (folder / "summary.json").is_file() and is_being_recorded(folder) is not False
        engines = set(_engines_of(folder))
        resumed = (read_json(folder / "config.json") or {}).get("resumed")
        verb = "The run continues" if resumed else "Another seed trains" if is_live else "Another seed trained"
        if not engines or engines - set(self._panes) or not (self._was_live or is_live):
            self._next_run = f"{verb} as {folder.name}."
            return
        if not (
            folder / "events.jsonl"
        ).is_file():  # it comes a moment after its folder, or never where the disk is full
            return
        self._begin(folder)
        self._notice, self._noticed_at = f"{verb} as {folder.name}, shown here.", self._clock()

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

    def _reset(self, start: _Start) -> None:
        """Start with the run in another folder, or with the same run again."""
        self._folder, self.engines = start.folder, start.engines
        self.histories = {engine: RunHistory(engine) for engine in self._panes}
        self.machine = MachineHistory()
        self.seed_results = start.others or SeedResults()
        self._models.forget()
        self._versions = {}

    @property
    def ended(self) -> bool:
        """True once the record is complete, or breaks off because its writer has ended."""
        return not self._open or self._interrupted

    @property
    def under_way(self) -> bool:
        return not self.ended

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
            return self._next_run
        if self._interrupted:
            return "No process writes the record of this run any more, and it has no end."
        is_new = self._clock() - self._noticed_at < NOTICE_SECONDS
        return self._read_problem or (self._notice if is_new else "")

    def now(self) -> float:
        return self._clock() - self._lag if self._newest_t is not None else 0.0

    def folder(self, engine: str) -> Path | None:
        return self._folder

    def checkpoint(self, engine: str) -> Path:
        return self._folder / f"{engine}.npz"  # the writer's own path may be that of another machine

    def drain(self) -> set[str]:
        changed = set()
        for _ in range(min(len(self._events), MAX_EVENTS_PER_DRAIN)):
            event = self._events.popleft()
            if isinstance(event, _Start):
                self._reset(event)
                changed |= set(self.histories)
            elif isinstance(event, SeedResults):
                if event.ended > self.seed_results.ended:  # seeds that trained beside this one have ended, too
                    self.seed_results = event
            elif event.engine in self.histories:
                self._apply(event)
                changed.add(event.engine)
            elif event.engine == "machine":
                self.machine.apply(event)
                changed.add(event.engine)
        for engine, history in self.histories.items():
            if history.alive:  # the record has no heartbeats: the badge tells of silence, not the panes
                history.last_worker_t = self.now()
            if self._interrupted and not self._events and history.running:
                self._apply(interruption(history))
                changed.add(engine)
            history.prediction = self._models.newest.get(engine)
        return changed

    def _apply(self, event: Event) -> None:
        history = self.histories[event.engine]
        history.apply(event)
        if isinstance(event, RunRequested):
            self._models.seed = event.config.seed
            if not self.seed_results.runs:
                self.seed_results = SeedResults.of(event.config)
        elif isinstance(event, CheckpointSaved):
            self._models.checkpoints[event.engine] = self.checkpoint(event.engine)
            self._versions[event.engine] = self._next_version()
        elif isinstance(event, TERMINAL_EVENTS):
            self.seed_results.add(history)

    # Predictions

    @property
    def predicting(self) -> bool:
        return self._models.predicting

    @property
    def no_weights(self) -> str:
        return NO_WEIGHTS if self.ended else "n/a: no checkpoint yet"

    def weights_version(self, engine: str) -> int:
        """There are the weights before the first step, then none, and then those of each checkpoint."""
        return self._versions.get(engine, 0 if self._is_untrained(engine) else -1)

    def _is_untrained(self, engine: str) -> bool:
        history = self.histories[engine]
        return history.requested_t is not None and not history.global_step

    def predict(self, engine: str, image: Sequence[int], checkpoint: str = "", *, inside: bool = False) -> int:
        """Request a prediction by the newest checkpoint, or before the first step by the weights that the run starts with."""
        if not checkpoint and engine not in self._versions and self._is_untrained(engine):
            checkpoint = UNTRAINED
        return self._models.request(engine, image, checkpoint, inside=inside)


def _engines_of(folder: Path) -> tuple[str, ...]:
    """Return the engines of the run in a folder, in display order; none where it holds no run."""
    engines = (read_json(folder / "config.json") or {}).get("engines")
    return tuple(engine for engine in ENGINES if isinstance(engines, dict) and engine in engines)
