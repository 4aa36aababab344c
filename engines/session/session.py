"""The session: all workers of one app, or of one headless command, and the histories of their runs.

The supervisors' threads put events into the inbox and write them to disk; one thread, the caller of `drain`, applies them to the
histories and starts workers and runs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from engines.config import TrainConfig
from engines.messages import commands
from engines.messages.commands import UNTRAINED, Predict
from engines.messages.events import Event, RunFailed, RunFinished, WarmedUp, WorkerExited, WorkerReady, WorkerSpawned
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory
from engines.runs.seeds import SeedResults
from engines.session.inbox import Inbox
from engines.session.jobs import ONLY_JOB, Job
from engines.session.rounds import Round, RunFolder, resumed_rounds, rounds_of
from engines.session.run_source import RunSource
from engines.session.schedule import Schedule
from engines.session.worker_slot import PendingRun, WorkerSlot, engines_to_stop
from engines.supervision.registry import EngineSpec, for_backend

if TYPE_CHECKING:
    from engines.monitors.sampler import Sample, Sampler
    from engines.runs.resume import ResumePoint

KILL_SECONDS = 0.5
"""Seconds to wait for the end of workers that were killed."""
Launch = Callable[[str, Callable[[], None]], None]
"""Runs a blocking call in a background thread of the given name."""


class Session(RunSource):
    """All workers of one app, or of one headless command."""

    def __init__(
        self,
        specs: Sequence[EngineSpec],
        launch: Launch,
        *,
        cache_dir: Path,
        runs_dir: Path | None,
        on_event: Callable[[Event], None] | None = None,
        one_config: bool = False,
        job: Job = ONLY_JOB,
    ) -> None:
        """Without `runs_dir` no run is saved. `on_event` is called with every event, from the threads that produce them.

        `one_config`: all runs of an engine have the same settings, so that its workers need no other devices. `job`: see Job.
        """
        self.histories = {spec.name: RunHistory(spec.name) for spec in specs}
        self.machine = MachineHistory()
        self.seed_results = SeedResults()
        self._slots = {spec.name: WorkerSlot(spec) for spec in specs}
        self._launch = launch
        self._cache_dir = cache_dir
        self._runs_dir = runs_dir
        self._listener = on_event
        self._one_config = one_config
        self.job, self.was_stopped = job, False
        """`was_stopped`: True once another process has asked to stop a run, however that run ends."""
        self._inbox = Inbox()
        self._schedule = Schedule()
        self._closing = False
        self._last_request_id = self._machine_seq = 0

    @cached_property
    def _sampler(self) -> Sampler:
        """The sampler of the machine and the workers; imported after the first paint, when workers are started."""
        from engines.monitors.sampler import Sampler

        return Sampler(self._on_sample)

    def watch_gpu_details(self, on: bool) -> None:
        self._sampler.watch_gpu_details(on)

    @property
    def problem(self) -> str:
        return next((s.directory.problem for s in self._slots.values() if s.directory and s.directory.problem), "")

    @property
    def running(self) -> bool:
        return bool(self._schedule or self._busy_engines)

    def now(self) -> float:
        return time.monotonic()

    def folder(self, engine: str) -> Path | None:
        directory = self._slots[engine].directory
        return directory.folder if directory is not None else None

    def waiting_for(self, engine: str) -> str:
        if self._slots[engine].busy or not any(engine in round_.configs for round_ in self._schedule):
            return ""
        return self._busy_engines[0] if self._busy_engines else "its turn"

    def is_free(self, engine: str) -> bool:
        return not self._schedule and not self._slots[engine].busy

    @property
    def _busy_engines(self) -> list[str]:
        return [engine for engine, slot in self._slots.items() if slot.busy]

    # Runs

    def start_workers(self, configs: Mapping[str, TrainConfig]) -> None:
        """Start sampling the machine, and the workers, so that their frameworks are imported when a run is requested."""
        self._sampler.start()
        for engine, (threads, cores) in self._split_cores(configs).items():
            slot = self._slots[engine]
            if not slot.running:
                slot.spec = for_backend(slot.spec, configs[engine].keras_backend)
                self._start_worker(engine, threads, cores)

    def start(self, configs: Mapping[str, TrainConfig]) -> None:
        """Run each engine by its config: all at once or one after the other, as its mode says, for each of its seeds."""
        self.seed_results = SeedResults.of(next(iter(configs.values())))
        for engine in self.histories:
            self._schedule.drop_engine(engine)
        self.engines = tuple(engine for engine in self.histories if engine in configs)
        self._add_rounds(rounds_of(configs))

    def start_seed(self, rounds: Sequence[Round], results: SeedResults) -> None:
        """Run the rounds of one seed, after a rest where one was before; others of the series run elsewhere."""
        self.seed_results, self.engines = results, tuple(rounds[0].run_folder.configs)
        self._add_rounds(rounds, rest=True)

    def resume_run(self, folder: Path, changes: Mapping[str, object], engines: Collection[str] = ()) -> str:
        """Continue from the checkpoints of a run, in a new folder that begins with the events so far.

        Returns a warning for the user, or an empty text. Raises ResumeError and ConfigError.
        """
        from engines.runs.resume import find_resume_points, resume_warning

        chosen = frozenset(engines) & set(self.histories) or frozenset(self.histories)
        resume_points = find_resume_points(folder, changes, chosen)
        warning = resume_warning(folder, chosen, resume_points)
        rounds = resumed_rounds(resume_points, folder.name)
        run_folder = rounds[0].run_folder
        self.seed_results = SeedResults()
        self.engines = tuple(engine for engine in self.histories if engine in {*self._busy_engines, *resume_points})
        run_folder.open(self._runs_dir)
        for engine, point in resume_points.items():
            self._slots[engine].directory = run_folder.directory
            if not point.checkpoint:
                self._replay_finished(engine, point, run_folder, folder)
        self._add_rounds(rounds)
        return warning

    def _replay_finished(self, engine: str, point: ResumePoint, run_folder: RunFolder, source: Path) -> None:
        """Repeat a finished run beside the one that continues, moved to the present, and copy its files."""
        from engines.runs.resume import WORKER_EVENTS, repeat_finished

        directory, is_live = run_folder.directory, self._slots[engine].running
        failure = directory.copy_results(source, engine) if directory is not None and run_folder.path else None
        files = "" if failure is not None else run_folder.path
        for event in repeat_finished(point, run_folder.run_id, files, time.monotonic()):
            if is_live and isinstance(event, WORKER_EVENTS):  # the worker that is here lives on
                if directory is not None:
                    directory.append(event)
            else:
                self._route(event)
        if failure is not None:
            self._route(replace(failure, seq=len(point.events) + 1))

    def pause(self, engine: str) -> None:
        self._slots[engine].send(commands.Pause())

    def resume(self, engine: str) -> None:
        self._slots[engine].send(commands.Resume())

    def stop(self, engine: str) -> None:
        """Finish the step, evaluate, and save the results; drop the engine's rounds still to come."""
        self._schedule.drop_engine(engine)
        self._slots[engine].send(commands.Stop())

    def save(self, engine: str) -> None:
        self._slots[engine].send(commands.SaveCheckpoint())

    def kill(self, engine: str) -> None:
        """Kill the worker, whatever it does; drop the engine's rounds still to come."""
        self._schedule.drop_engine(engine)
        self._slots[engine].kill()

    def predict(self, engine: str, image: Sequence[int], checkpoint: str = "", *, inside: bool = False) -> int:
        """Request a prediction for 784 grey values, with `inside` also the values inside the network; return its request id.

        A worker that has trained nothing answers with the given checkpoint, or with the newest saved one; with `inside`, with an
        untrained network, which is the same in all engines, whatever it has loaded. Without a worker, one is started.
        """
        history, slot = self.histories[engine], self._slots[engine]
        if not slot.running and history.failure is None and not self._closing:
            self.start_workers({engine: history.config or TrainConfig(keras_backend=slot.spec.backend)})
        last = history.prediction
        loaded = last.checkpoint if last is not None and last.probabilities else UNTRAINED
        if not (checkpoint or history.running) and (loaded if inside else loaded == UNTRAINED):
            from engines.runs.reader import newest_checkpoint

            checkpoint = UNTRAINED if inside else newest_checkpoint(self._runs_dir, engine)
        self._last_request_id += 1
        slot.send(Predict(request_id=self._last_request_id, image=tuple(image), checkpoint=checkpoint, inside=inside))
        return self._last_request_id

    def measure_step(self, engine: str) -> None:
        self._slots[engine].send(commands.MeasureStep())

    def step(self, engine: str) -> None:
        self._slots[engine].send(commands.Step())

    def change_learning_rate(self, engine: str, factor: float, global_step: int) -> None:
        self._slots[engine].send(commands.ChangeLearningRate(factor=factor, global_step=global_step))

    def fail_to_start(self, engine: str, error: Exception) -> None:
        self._slots[engine].abort(error)

    def close(self, timeout: float = 4.5) -> bool:
        self._closing = True
        self._schedule.clear()
        for slot in self._slots.values():
            slot.end()
        self._wait_for_workers(timeout)
        for slot in self._slots.values():
            if slot.running:
                slot.kill()
        self._wait_for_workers(min(timeout, KILL_SECONDS))
        if "_sampler" in vars(self):  # else it was never started
            self._sampler.stop()
        return not any(slot.running for slot in self._slots.values())

    def _wait_for_workers(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while any(slot.running for slot in self._slots.values()) and time.monotonic() < deadline:
            time.sleep(0.02)

    # Events and rounds

    def drain(self) -> set[str]:
        """Apply the events since the last call to the histories; return the names of those that changed.

        Also start what is due: the next round, and a worker whose predecessor has ended. No other thread starts workers.
        """
        changed = set()
        for event in self._inbox.drain():
            changed.add(event.engine)
            if event.engine in self.histories:
                self._apply(event)
            else:
                self.machine.apply(event)
        for engine in (asked := engines_to_stop(self._slots)):
            self.stop(engine)
        self.was_stopped |= bool(asked)
        for engine, slot in self._slots.items():
            if slot.pending is not None and not slot.running and not self._closing:
                self._start_worker(engine, slot.pending.threads, slot.pending.cores)
        is_due = self._schedule and not self._busy_engines and not self._importing
        if is_due and not self._schedule.rests(time.monotonic()):
            self._start_next_round()
        return changed

    def _apply(self, event: Event) -> None:
        history, slot = self.histories[event.engine], self._slots[event.engine]
        history.apply(event)
        ended = isinstance(event, RunFinished | RunFailed) and event.run_id in ("", slot.open_run)
        if slot.open_run and ended:
            slot.open_run = ""
            self.seed_results.add(history)

    @property
    def _importing(self) -> bool:
        """True while a worker imports its framework, which would slow down another's turn."""
        return any(slot.running and self.histories[engine].worker is None for engine, slot in self._slots.items())

    def _add_rounds(self, rounds: Sequence[Round], *, rest: bool = False) -> None:
        """Put the rounds first. Start at once without workers, or in a race without `rest`; else when all are idle."""
        self._sampler.start()
        self._schedule.put_first(rounds)
        if (rounds[0].config.mode == "race" and not rest) or not any(slot.running for slot in self._slots.values()):
            self._start_next_round()

    def _start_next_round(self) -> None:
        round_ = self._schedule.start_next()
        run_folder = round_.run_folder
        run_folder.open(self._runs_dir)
        autos = round_.auto_devices(self.histories, time.monotonic())
        for engine, (threads, cores) in self._split_cores(round_.configs).items():
            slot, config = self._slots[engine], round_.configs[engine]
            slot.pending = PendingRun(
                run_folder.run_id,
                config,
                run_folder.path,
                run_folder.directory,
                threads,
                cores,
                for_backend(slot.spec, config.keras_backend),
                round_.resume_points.get(engine),
                replace(autos[engine], chosen=self.job.devices.get(engine, "")),
                self.job.count,
            )
            if not slot.running:
                self._start_worker(engine, threads, cores)
            elif slot.supervisor is not None and not slot.supervisor.ending:
                if slot.suits_pending:
                    slot.send_pending()
                else:
                    slot.directory = None  # the old worker's last events stay out of the new run's record
                    slot.supervisor.end()  # `drain` starts the next worker once this one has ended

    def _split_cores(self, configs: Mapping[str, TrainConfig]) -> dict[str, tuple[int, tuple[int, ...]]]:
        """Return (threads, cores) for each engine: those that run at once share the usable cores equally."""
        from engines.session.core_shares import core_shares

        return core_shares(configs, [e for e, slot in self._slots.items() if e in configs or slot.open_run], self.job)

    def _start_worker(self, engine: str, threads: int, cores: tuple[int, ...]) -> None:
        from engines.supervision.supervisor import Supervisor

        slot = self._slots[engine]
        slot.running = True
        if slot.pending is not None:
            slot.spec = slot.pending.spec
        slot.supervisor = supervisor = Supervisor(
            slot.spec,
            self._on_event,
            cache_dir=self._cache_dir,
            cores=cores,
            threads=threads,
            only_device=slot.pending.device if slot.pending is not None and self._one_config else "",
        )
        if slot.pending is not None:
            slot.send_pending()

        def run_supervisor() -> None:
            try:
                supervisor.run()
            except Exception as error:  # else the run would never end
                supervisor.abort(error)
            finally:
                if slot.supervisor is supervisor:  # not aborted and replaced by another
                    self._sampler.unwatch(engine)
                    slot.running = False

        try:
            self._launch(engine, run_supervisor)
        except RuntimeError as error:
            self.fail_to_start(engine, error)
        if self._closing:  # `close`, in another thread, may have missed this worker
            supervisor.end()

    # From the threads of supervisors and sampler

    def _on_event(self, event: Event) -> None:
        slot = self._slots[event.engine]
        if isinstance(event, WorkerSpawned):
            slot.startup_events = [event]
            assert slot.supervisor is not None
            self._sampler.watch(event.engine, event.pid, len(slot.supervisor.cores) or 1)
        elif isinstance(event, WorkerReady | WarmedUp):
            slot.startup_events.append(event)
        self._route(event)
        if isinstance(event, WorkerExited):
            slot.startup_events = []

    def _route(self, event: Event) -> None:
        """Pass an event on to the run's record, to the histories, and to the listener."""
        slot = self._slots[event.engine]
        if slot.directory is not None:
            slot.directory.append(event)
        self._publish(event)
        compared = slot.directory.twins.apply(event) if slot.directory is not None else None
        if slot.directory is not None and slot.supervisor is not None:
            slot.directory.report_failure(event.engine, slot.supervisor.publish)
            if compared is not None:
                slot.supervisor.publish(compared)

    def _publish(self, event: Event) -> None:
        self._inbox.put(event)
        if self._listener is not None:
            self._listener(event)

    def _on_sample(self, sample: Sample) -> None:
        """Publish a sample's usage events in the engines' streams, so that a recording holds them too."""
        for usage in sample.of_workers():
            supervisor = self._slots[usage.engine].supervisor
            if supervisor is not None:
                supervisor.publish(usage)
        machine = sample.of_machine(self._machine_seq + 1)
        if machine is None:
            return
        self._machine_seq += 1
        for directory in {slot.directory for slot in self._slots.values() if slot.directory is not None}:
            directory.append(machine)
        self._publish(machine)
