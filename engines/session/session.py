"""The bridge between the supervisors' threads and whoever shows what happens: inboxes in, histories out.

Threads put events into the inbox and keep them on disk; the one caller of `drain` folds them into histories. Nothing here knows
Textual: the app and the headless commands share it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from engines.config import TrainConfig
from engines.messages.commands import Command, Pause, Predict, Resume, SaveCheckpoint, Stop
from engines.messages.events import (
    Event,
    RunFailed,
    RunFinished,
    RunRequested,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
)
from engines.record import Record
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory
from engines.runs.seeds import SeedResults
from engines.session.inbox import Inbox
from engines.session.schedule import Round, RunFolder, drop_engine, resumed_rounds, rounds_of
from engines.supervision.registry import EngineSpec, for_backend

if TYPE_CHECKING:
    from engines.monitors.sampler import Sample, Sampler
    from engines.runs.directory import RunDirectory
    from engines.runs.resume import ResumePoint
    from engines.supervision.supervisor import Supervisor

IDLE_SECONDS = 3.0
"""Rest before each turn of a time trial, so that clocks, caches and the other's last writes settle."""
KILLED_SECONDS = 0.5
"""How long it may take to see the end of a worker that was killed."""
Launch = Callable[[str, Callable[[], None]], None]
"""Runs a blocking call in a background thread of the given name."""


class _PendingRun(Record, kw_only=False):
    """A run that was asked for, and the worker that it needs."""

    run_id: str
    config: TrainConfig
    run_dir: str
    directory: RunDirectory | None
    threads: int
    cores: tuple[int, ...]
    spec: EngineSpec
    past: ResumePoint | None = None


@dataclass(slots=True)
class _Worker:
    """One engine's place: the supervisor that lives there now, and what should live there next."""

    spec: EngineSpec
    supervisor: Supervisor | None = None
    running: bool = False
    """Whether the thread that owns the supervisor is still in it."""
    wish: _PendingRun | None = None
    open_run: str = ""
    """The run that was sent and whose end was not folded yet."""
    introduction: list[Event] = field(default_factory=list)
    """What a recording that begins with a warm worker has to begin with."""
    directory: RunDirectory | None = None


class Session:
    """All workers of one app, or of one headless command."""

    def __init__(
        self,
        specs: Sequence[EngineSpec],
        launch: Launch,
        *,
        cache_dir: Path,
        runs_dir: Path | None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.histories = {spec.name: RunHistory(spec.name) for spec in specs}
        self.machine = MachineHistory()
        self.series = SeedResults()
        """What the seeds of a series gave so far."""
        self.recorded = False
        self.length_seconds = 0.0
        self.playback = ""
        """Of a recording, beside the clock."""
        self._workers = {spec.name: _Worker(spec) for spec in specs}
        self._launch = launch
        self._cache_dir = cache_dir
        self._runs_dir = runs_dir
        self._tell = on_event
        self._inbox = Inbox()
        self._waiting: deque[Round] = deque()
        self._series_id = ""
        self._quiet_since: float | None = None
        self._closing = False
        self._questions = 0
        self._machine_seq = 0

    @cached_property
    def _sampler(self) -> Sampler:
        """Of the machine and the workers; first asked for by the thread that starts the workers, after the first paint."""
        from engines.monitors.sampler import Sampler

        return Sampler(self._on_sample)

    @property
    def problem(self) -> str:
        """Why the record of the last run is not on disk, or not yet; empty when it is."""
        return next((w.directory.problem for w in self._workers.values() if w.directory and w.directory.problem), "")

    def now(self) -> float:
        """The present on the events' clock."""
        return time.monotonic()

    # What the user asks for

    def start_workers(self, configs: Mapping[str, TrainConfig]) -> None:
        """Watch the machine, and start the workers, so that their frameworks are imported when a run is asked for."""
        self._sampler.start()
        for engine, (threads, cores) in self._shares(configs).items():
            worker = self._workers[engine]
            if not worker.running:
                worker.spec = for_backend(worker.spec, configs[engine].keras_backend)
                self._spawn(engine, threads, cores)

    def start(self, configs: Mapping[str, TrainConfig]) -> None:
        """Run each engine by its config: all at once or one after the other, as its mode says, for each of its seeds."""
        self.series, self._series_id = SeedResults(), ""
        self._waiting.clear()
        self._begin(rounds_of(configs))

    def resume_run(self, folder: Path, changes: Mapping[str, object], engines: Collection[str] = ()) -> str:
        """Go on from the checkpoints of a run, in a new folder that begins with its past. Raises ResumeError and ConfigError.

        Returns a warning for the user, or an empty text.
        """
        from engines.runs.resume import find_resume_points, schedule_warning

        found = find_resume_points(
            folder, changes, frozenset(engines) & set(self.histories) or frozenset(self.histories)
        )
        heats = resumed_rounds(found, folder.name)
        place = heats[0].place
        self.series, self._series_id = SeedResults(), ""
        place.open(self._runs_dir, "")
        for engine, past in found.items():
            self._workers[engine].directory = place.directory
            if not past.checkpoint:
                self._replay_past(engine, past, place, folder)
        self._begin(heats)
        return schedule_warning(found)

    def _begin(self, heats: Sequence[Round]) -> None:
        """Now; a turn of a time trial only where there is no worker yet, or `drain` begins it when all have come to rest."""
        self._sampler.start()
        self._waiting.extendleft(reversed(heats))
        if heats[0].config.mode == "race" or not any(worker.running for worker in self._workers.values()):
            self._next_heat()

    def _replay_past(self, engine: str, past: ResumePoint, place: RunFolder, source: Path) -> None:
        """Repeat the whole of a run that had ended by itself, beside the one that goes on; its files come along."""
        shift = time.monotonic() - past.events[-1].t
        for i, event in enumerate(past.events):
            told = replace(event, run_id=place.run_id, t=event.t + shift, seq=i + 1)
            self._route(replace(told, config=past.config) if isinstance(told, RunRequested) else told)
        if place.folder and place.directory and (failure := place.directory.copy_results(source, engine)):
            self._route(replace(failure, seq=len(past.events) + 1))

    def _next_heat(self) -> None:
        heat = self._waiting.popleft()
        heat.place.open(self._runs_dir, self._series_id)
        if heat.place.directory is not None and heat.config.seeds > 1:
            self._series_id = self._series_id or heat.place.run_id
        self._quiet_since = None
        for engine, (threads, cores) in self._shares(heat.configs).items():
            worker, place = self._workers[engine], heat.place
            config, past = heat.configs[engine], heat.pasts.get(engine)
            spec = for_backend(worker.spec, config.keras_backend)
            worker.wish = _PendingRun(place.run_id, config, place.folder, place.directory, threads, cores, spec, past)
            if not worker.running:
                self._spawn(engine, threads, cores)
            elif worker.supervisor is not None and not worker.supervisor.ending:
                if (worker.supervisor.threads, worker.supervisor.cores, worker.spec) == (threads, cores, spec):
                    self._send_run(worker)
                else:
                    worker.directory = None  # this one's last words are none of the next one's
                    worker.supervisor.end()  # `drain` starts the next worker once this one is gone

    def pause(self, engine: str) -> None:
        """Wait after the current step."""
        self._command(engine, Pause())

    def resume(self, engine: str) -> None:
        """End the pause."""
        self._command(engine, Resume())

    def stop(self, engine: str) -> None:
        """Finish the step, evaluate, keep the results."""
        self._waiting = deque(drop_engine(self._waiting, engine))
        self._command(engine, Stop())

    def save(self, engine: str) -> None:
        """Write a checkpoint after the current step."""
        self._command(engine, SaveCheckpoint())

    def predict(self, engine: str, image: Sequence[int], checkpoint: str = "") -> int:
        """Ask what the engine reads in 784 grey values; the number that the answer will bear.

        A worker that has trained nothing answers with the kept model that is named, or with the newest; where there is no
        worker, one is started.
        """
        history, worker = self.histories[engine], self._workers[engine]
        if not worker.running and history.failure is None and not self._closing:
            self.start_workers({engine: history.config or TrainConfig(keras_backend=worker.spec.backend)})
        known = history.running or (history.prediction is not None and history.prediction.probabilities)
        if not checkpoint and not known:
            from engines.runs.reader import newest_checkpoint

            checkpoint = newest_checkpoint(self._runs_dir, engine)
        self._questions += 1
        self._command(engine, Predict(request_id=self._questions, image=tuple(image), checkpoint=checkpoint))
        return self._questions

    def folder(self, engine: str) -> Path | None:
        """Where the engine's last run is kept."""
        directory = self._workers[engine].directory
        return directory.folder if directory is not None else None

    def kill(self, engine: str) -> None:
        """End the worker now, whatever it is doing."""
        self._waiting = deque(drop_engine(self._waiting, engine))
        worker = self._workers[engine]
        if worker.wish is not None and worker.wish.directory is not None:
            worker.wish.directory.drop_engine(engine)
        worker.wish = None
        if worker.supervisor is not None:
            worker.supervisor.kill()

    def fail_to_start(self, engine: str, error: Exception) -> None:
        """The thread that was to own its worker could not be started."""
        worker = self._workers[engine]
        if worker.running and worker.supervisor is not None:
            worker.supervisor.abort(error)
            worker.running = False

    def close(self, timeout: float = 4.5) -> bool:
        """End every worker and wait for that; True when none is left."""
        self._closing = True
        self._waiting.clear()
        for worker in self._workers.values():
            worker.wish = None
            if worker.supervisor is not None and worker.running:
                worker.supervisor.end()
        self._wait(timeout)
        for worker in self._workers.values():
            if worker.running and worker.supervisor is not None:
                worker.supervisor.kill()
        self._wait(min(timeout, KILLED_SECONDS))
        if "_sampler" in vars(self):  # else nothing was ever watched
            self._sampler.stop()
        return not any(worker.running for worker in self._workers.values())

    def _wait(self, seconds: float) -> None:
        """Until every worker has ended, or so long."""
        deadline = time.monotonic() + seconds
        while any(worker.running for worker in self._workers.values()) and time.monotonic() < deadline:
            time.sleep(0.02)

    # What the screens see

    def drain(self) -> set[str]:
        """Fold what came since the last call; the names of the histories that changed.

        Also the one place where a worker follows another, so that workers are only ever started by one thread.
        """
        changed = set()
        for event in self._inbox.take():
            changed.add(event.engine)
            if event.engine in self.histories:
                self.histories[event.engine].apply(event)
                worker = self._workers[event.engine]
                ended = isinstance(event, RunFinished | RunFailed) and event.run_id in ("", worker.open_run)
                if worker.open_run and ended:
                    worker.open_run = ""
                    self.series.add(self.histories[event.engine])
            else:
                self.machine.apply(event)
        for engine, worker in self._workers.items():
            if worker.wish is not None and not worker.running and not self._closing:
                self._spawn(engine, worker.wish.threads, worker.wish.cores)
        if self._waiting and not self._busy and not self._importing:
            self._quiet_since = self._quiet_since or time.monotonic()
            if time.monotonic() - self._quiet_since >= IDLE_SECONDS:
                self._next_heat()
        return changed

    def waiting_for(self, engine: str) -> str:
        """What an engine waits for while a series is under way; empty when it waits for nothing."""
        if not self._waiting or self._workers[engine].wish or self._workers[engine].open_run:
            return ""
        if engine not in {name for heat in self._waiting for name in heat.configs}:
            return ""
        return self._busy[0] if self._busy else "its turn"

    def is_free(self, engine: str) -> bool:
        """Whether it can be asked for another run: it has none, and no turn of a series is still to come."""
        return not self._waiting and engine not in self._busy

    @property
    def running(self) -> bool:
        """Whether any run is under way or waits for its turn."""
        return bool(self._waiting or self._busy)

    # Inside

    @property
    def _busy(self) -> list[str]:
        """The engines that run, or are about to."""
        return [name for name, worker in self._workers.items() if worker.wish or worker.open_run]

    @property
    def _importing(self) -> bool:
        """Whether a worker still begins: what it takes of the machine would be missing in another's turn."""
        return any(w.running and self.histories[engine].worker is None for engine, w in self._workers.items())

    def _shares(self, configs: Mapping[str, TrainConfig]) -> dict[str, tuple[int, tuple[int, ...]]]:
        """(threads, cores) for each engine: those that run at once share the usable cores equally."""
        from engines.monitors.cgroups import split_cores, usable_core_ids

        cores = usable_core_ids()
        racing = [name for name in self._workers if name in configs or self._workers[name].open_run]
        shares = dict(zip(racing, split_cores(cores, len(racing)) if racing else (), strict=True))
        out: dict[str, tuple[int, tuple[int, ...]]] = {}
        for engine, config in configs.items():
            threads = config.threads or len(shares[engine])
            out[engine] = (threads, shares[engine] if threads <= len(shares[engine]) else cores)
        return out

    def _spawn(self, engine: str, threads: int, cores: tuple[int, ...]) -> None:
        from engines.supervision.supervisor import Supervisor

        worker = self._workers[engine]
        worker.running = True
        if worker.wish is not None:
            worker.spec = worker.wish.spec
        worker.supervisor = supervisor = Supervisor(
            worker.spec, self._on_event, cache_dir=self._cache_dir, cores=cores, threads=threads
        )
        if worker.wish is not None:
            self._send_run(worker)

        def live() -> None:
            try:
                supervisor.run()
            except Exception as error:  # nobody would hear it, and wait for the end of a run that has none
                supervisor.abort(error)
            finally:
                if worker.supervisor is supervisor:  # it was not given up, and followed by another
                    self._sampler.unwatch(engine)
                    worker.running = False

        try:
            self._launch(engine, live)
        except RuntimeError as error:
            self.fail_to_start(engine, error)
        if self._closing:  # meanwhile, in another thread, which has passed this worker by
            supervisor.end()

    def _send_run(self, worker: _Worker) -> None:
        assert worker.supervisor is not None
        assert worker.wish is not None
        wish = worker.wish
        worker.directory = wish.directory
        if worker.directory is not None:
            for event in worker.introduction:
                worker.directory.append(event)
        resume, past = (wish.past.checkpoint, wish.past.events) if wish.past else ("", ())
        if worker.supervisor.start_run(wish.run_id, wish.config, wish.run_dir, resume=resume, past=past):
            worker.open_run, worker.wish = wish.run_id, None

    def _command(self, engine: str, command: Command) -> None:
        supervisor = self._workers[engine].supervisor
        if supervisor is not None:
            supervisor.send(command)

    def _on_event(self, event: Event) -> None:
        """From the supervisors' threads."""
        worker = self._workers[event.engine]
        if isinstance(event, WorkerSpawned):
            worker.introduction = [event]
            assert worker.supervisor is not None
            self._sampler.watch(event.engine, event.pid, len(worker.supervisor.cores) or 1)
        elif isinstance(event, WorkerReady):
            worker.introduction.append(event)
        self._route(event)
        if isinstance(event, WorkerExited):
            worker.introduction = []

    def _route(self, event: Event) -> None:
        """To the run's folder, to the histories, and to whoever listens."""
        worker = self._workers[event.engine]
        if worker.directory is not None:
            worker.directory.append(event)
        self._inbox.put(event)
        if self._tell is not None:
            self._tell(event)
        if worker.directory is not None and worker.supervisor is not None:
            worker.directory.report_failure(event.engine, worker.supervisor.publish)

    def _on_sample(self, sample: Sample) -> None:
        """From the sampler's thread; joins the engines' streams, so that a recording shows usage too."""
        for usage in sample.of_workers():
            supervisor = self._workers[usage.engine].supervisor
            if supervisor is not None:
                supervisor.publish(usage)
        machine = sample.of_machine(self._machine_seq + 1)
        if machine is None:
            return
        self._machine_seq += 1
        for directory in {id(w.directory): w.directory for w in self._workers.values() if w.directory}.values():
            directory.append(machine)
        self._inbox.put(machine)
        if self._tell is not None:
            self._tell(machine)
