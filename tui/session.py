"""The bridge between the supervisors' threads and whoever shows what happens: inboxes in, histories out.

Threads put events into the inbox and keep them on disk; the one caller of `drain` folds them into histories. Nothing here knows
Textual: the app and the headless commands share it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engines.api import (
    Command,
    EngineSpec,
    Event,
    MachineHistory,
    MachineUsage,
    Pause,
    Resume,
    RunDirectory,
    RunFailed,
    RunFinished,
    RunHistory,
    RunRequested,
    Sample,
    Sampler,
    Stop,
    Supervisor,
    TrainConfig,
    WorkerExited,
    WorkerReady,
    WorkerSpawned,
    WorkerUsage,
    new_run_id,
    split_cores,
    usable_core_ids,
)

Launch = Callable[[str, Callable[[], None]], None]
"""Runs a blocking call in a background thread of the given name."""


@dataclass(frozen=True, slots=True)
class _Wish:
    """A run that was asked for, and the worker that it needs."""

    run_id: str
    config: TrainConfig
    run_dir: str
    threads: int
    cores: tuple[int, ...]


@dataclass(slots=True)
class _Worker:
    """One engine's place: the supervisor that lives there now, and what should live there next."""

    spec: EngineSpec
    supervisor: Supervisor | None = None
    running: bool = False
    """Whether the thread that owns the supervisor is still in it."""
    wish: _Wish | None = None
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
        self.recorded = False
        self.mode = "race"
        self.problem = ""
        """Why the run is not kept on disk; empty when it is."""
        self._workers = {spec.name: _Worker(spec) for spec in specs}
        self._launch = launch
        self._cache_dir = cache_dir
        self._runs_dir = runs_dir
        self._tell = on_event
        self._inbox: deque[Event] = deque()
        self._waiting: deque[tuple[str, TrainConfig]] = deque()
        self._closing = False
        self._machine_seq = 0
        self._sampler = Sampler(self._on_sample)
        self._sampler.start()

    def now(self) -> float:
        """The present on the events' clock."""
        return time.monotonic()

    # What the user asks for

    def warm(self, configs: Mapping[str, TrainConfig]) -> None:
        """Start the workers, so that their frameworks are imported when a run is asked for."""
        for engine, (threads, cores) in self._shares(configs).items():
            if not self._workers[engine].running:
                self._spawn(engine, threads, cores)

    def start(self, configs: Mapping[str, TrainConfig], mode: str = "race") -> None:
        """Run each engine by its config: all at once ("race") or one after the other ("time-trial")."""
        self.mode = mode
        seed = next(iter(configs.values())).seed
        run_id = new_run_id(seed)
        self.problem = ""
        directory = None
        if self._runs_dir is not None:
            directory = RunDirectory(self._runs_dir / run_id, configs, mode)
            self.problem = directory.problem
        for engine in configs:
            self._workers[engine].directory = directory
        if mode == "time-trial":
            self._waiting = deque(list(configs.items())[1:])
            configs = dict(list(configs.items())[:1])
        self._start_now(configs, run_id, str(directory.folder) if directory and not directory.problem else "")

    def _start_now(self, configs: Mapping[str, TrainConfig], run_id: str, run_dir: str) -> None:
        for engine, (threads, cores) in self._shares(configs).items():
            worker = self._workers[engine]
            worker.wish = _Wish(run_id, configs[engine], run_dir, threads, cores)
            if not worker.running:
                self._spawn(engine, threads, cores)
            elif worker.supervisor is not None and not worker.supervisor.ending:
                if (worker.supervisor.threads, worker.supervisor.cores) == (threads, cores):
                    self._send_run(worker)
                else:
                    worker.supervisor.end()  # `drain` starts the next worker once this one is gone

    def pause(self, engine: str) -> None:
        """Wait after the current step."""
        self._command(engine, Pause())

    def resume(self, engine: str) -> None:
        """Go on after a pause."""
        self._command(engine, Resume())

    def stop(self, engine: str) -> None:
        """Finish the step, evaluate, keep the results."""
        self._waiting.clear()
        self._command(engine, Stop())

    def kill(self, engine: str) -> None:
        """End the worker now, whatever it is doing."""
        self._waiting.clear()
        supervisor = self._workers[engine].supervisor
        if supervisor is not None:
            self._workers[engine].wish = None
            supervisor.kill()

    def close(self, timeout: float = 4.5) -> bool:
        """End every worker and wait for that; True when none is left."""
        self._closing = True
        self._waiting.clear()
        for worker in self._workers.values():
            worker.wish = None
            if worker.supervisor is not None and worker.running:
                worker.supervisor.end()
        deadline = time.monotonic() + timeout
        for worker in self._workers.values():
            while worker.running and time.monotonic() < deadline:
                time.sleep(0.02)
            if worker.running and worker.supervisor is not None:
                worker.supervisor.kill()
        self._sampler.stop()
        return not any(worker.running for worker in self._workers.values())

    # What the screens see

    def drain(self) -> set[str]:
        """Fold what came since the last call; the names of the histories that changed.

        Also the one place where a worker follows another, so that workers are only ever started by one thread.
        """
        changed = set()
        for _ in range(len(self._inbox)):
            event = self._inbox.popleft()
            changed.add(event.engine)
            if event.engine in self.histories:
                self.histories[event.engine].apply(event)
                worker = self._workers[event.engine]
                if isinstance(event, RunFinished | RunFailed) and event.run_id in ("", worker.open_run):
                    worker.open_run = ""
            else:
                self.machine.apply(event)
        for engine, worker in self._workers.items():
            if worker.wish is not None and not worker.running and not self._closing:
                self._spawn(engine, worker.wish.threads, worker.wish.cores)
        if self._waiting and not any(worker.wish or worker.open_run for worker in self._workers.values()):
            engine, config = self._waiting.popleft()
            directory = self._workers[engine].directory
            folder = directory.folder if directory is not None and not directory.problem else None
            run_id = folder.name if folder else new_run_id(config.seed)
            self._start_now({engine: config}, run_id, str(folder) if folder else "")
        return changed

    @property
    def running(self) -> bool:
        """Whether any run is under way or waits for its turn."""
        return bool(self._waiting) or any(worker.wish or worker.open_run for worker in self._workers.values())

    # Inside

    def _shares(self, configs: Mapping[str, TrainConfig]) -> dict[str, tuple[int, tuple[int, ...]]]:
        """(threads, cores) for each engine: those that run at once share the usable cores equally."""
        cores = usable_core_ids()
        racing = [
            name for name in self._workers if name in configs or (self.mode == "race" and self._workers[name].open_run)
        ]
        shares = dict(zip(racing, split_cores(cores, max(len(racing), 1)), strict=True))
        out: dict[str, tuple[int, tuple[int, ...]]] = {}
        for engine, config in configs.items():
            threads = config.threads or len(shares[engine])
            out[engine] = (threads, shares[engine] if threads <= len(shares[engine]) else cores)
        return out

    def _spawn(self, engine: str, threads: int, cores: tuple[int, ...]) -> None:
        worker = self._workers[engine]
        worker.running = True
        worker.supervisor = supervisor = Supervisor(
            worker.spec, self._on_event, cache_dir=self._cache_dir, cores=cores, threads=threads
        )
        if worker.wish is not None:
            self._send_run(worker)

        def live() -> None:
            try:
                supervisor.run()
            finally:
                self._sampler.unwatch(engine)
                worker.running = False

        self._launch(engine, live)

    def _send_run(self, worker: _Worker) -> None:
        assert worker.supervisor is not None
        assert worker.wish is not None
        if worker.directory is not None:
            for event in worker.introduction:
                worker.directory.keep(event)
        wish = worker.wish
        if worker.supervisor.start_run(wish.run_id, wish.config, wish.run_dir):
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
        if worker.directory is not None:
            worker.directory.keep(event)
        self._inbox.append(event)
        if self._tell is not None:
            self._tell(event)
        if isinstance(event, WorkerExited):
            worker.introduction = []

    def _on_sample(self, sample: Sample) -> None:
        """From the sampler's thread; joins the engines' streams, so that a recording shows usage too."""
        for engine, usage in sample.processes:
            supervisor = self._workers[engine].supervisor
            if supervisor is not None:
                supervisor.publish(
                    WorkerUsage(
                        engine=engine,
                        t=sample.t,
                        cpu_percent=usage.cpu_percent,
                        cores_allowed=usage.cores_allowed,
                        rss_bytes=usage.rss_bytes,
                        num_threads=usage.num_threads,
                    )
                )
        if sample.host is None:
            return
        self._machine_seq += 1
        machine = MachineUsage(
            engine="machine",
            seq=self._machine_seq,
            t=sample.t,
            cpu_percent=sample.host.cpu_percent,
            per_core=sample.host.per_core,
            memory_used_bytes=sample.host.memory_used_bytes,
            memory_total_bytes=sample.host.memory_total_bytes,
            gpus=sample.gpus.readings,
            gpu_reason=sample.gpus.reason,
        )
        for directory in {id(w.directory): w.directory for w in self._workers.values() if w.directory}.values():
            directory.keep(machine)
        self._inbox.append(machine)
        if self._tell is not None:
            self._tell(machine)


class Replay:
    """A recording that plays as if it were live: the same questions, no workers."""

    def __init__(
        self, events: Sequence[Event], speed: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        engines = list(dict.fromkeys(event.engine for event in events if event.engine != "machine"))
        self.histories = {engine: RunHistory(engine) for engine in engines}
        self.machine = MachineHistory()
        self.recorded = True
        self.mode = "race"
        self.problem = ""
        self.running = False
        self.speed = speed
        self._events = deque(sorted(events, key=lambda event: event.t))
        self._clock = clock
        self._began = clock()
        self._last = self._events[-1].t if self._events else 0.0
        requested = [event.t for event in self._events if isinstance(event, RunRequested)]
        self._first = min(requested, default=self._events[0].t if self._events else 0.0)

    def now(self) -> float:
        """The present on the recording's clock, not beyond its end."""
        return min(self._first + (self._clock() - self._began) * self.speed, self._last)

    def drain(self) -> set[str]:
        """Fold what happened until now."""
        now, changed = self.now(), set()
        while self._events and self._events[0].t <= now:
            event = self._events.popleft()
            changed.add(event.engine)
            if event.engine in self.histories:
                self.histories[event.engine].apply(event)
            else:
                self.machine.apply(event)
        return changed

    def warm(self, configs: Mapping[str, TrainConfig]) -> None:
        """A recording needs no workers."""

    def start(self, configs: Mapping[str, TrainConfig], mode: str = "race") -> None:
        """A recording can't be started."""

    def stop(self, engine: str) -> None:
        """Nor stopped."""

    pause = resume = kill = stop

    def close(self, timeout: float = 0.0) -> bool:
        """Nothing is left."""
        return True
