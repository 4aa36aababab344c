"""The slot of one engine's worker: the supervisor in it, and the run that waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engines.config import TrainConfig
from engines.messages.commands import ANY_GPU, AutoDevice, Command
from engines.messages.events import Event
from engines.preset_configs import for_engine
from engines.record import Record
from engines.supervision.registry import EngineSpec

if TYPE_CHECKING:
    from engines.runs.directory import RunDirectory
    from engines.runs.resume import ResumePoint
    from engines.supervision.supervisor import Supervisor


class PendingRun(Record, kw_only=False):
    """A run that was requested and not sent yet, and the worker that it needs."""

    run_id: str
    config: TrainConfig
    folder: str
    """The folder of the worker's files; empty when nothing can be saved."""
    directory: RunDirectory | None
    threads: int
    cores: tuple[int, ...]
    spec: EngineSpec
    resume_point: ResumePoint | None = None
    auto: AutoDevice = ANY_GPU
    jobs: int = 1

    @property
    def device(self) -> str:
        """The device of the run: its setting, or the GPU that the app has chosen for `auto`.

        A CPU that the app has chosen hides no GPU: the worker refuses to train where there is one that other jobs may have.
        """
        setting = for_engine(self.config, self.spec.name).device
        return self.auto.chosen if self.auto.chosen not in ("", "cpu") else setting


@dataclass(slots=True)
class WorkerSlot:
    """One engine's worker, if any. Supervisors follow each other in the slot; only the session's thread starts them."""

    spec: EngineSpec
    supervisor: Supervisor | None = None
    running: bool = False
    """True while the supervisor's thread runs."""
    pending: PendingRun | None = None
    open_run: str = ""
    """Id of the run that was sent and whose end was not applied yet."""
    startup_events: list[Event] = field(default_factory=list)
    """Events of the worker's start, with which the record of each of its runs begins."""
    directory: RunDirectory | None = None
    """The record of the last run."""

    @property
    def busy(self) -> bool:
        """True while a run is pending or open."""
        return bool(self.pending or self.open_run)

    @property
    def suits_pending(self) -> bool:
        """True when the worker has the threads, cores and framework that the pending run needs."""
        run, supervisor = self.pending, self.supervisor
        if run is None or supervisor is None:
            return False
        return (supervisor.threads, supervisor.cores, self.spec) == (run.threads, run.cores, run.spec)

    def send(self, command: Command) -> None:
        """Send the worker a command; without a worker it is lost."""
        if self.supervisor is not None:
            self.supervisor.send(command)

    def send_pending(self) -> None:
        """Send the pending run. It stays pending if the worker has ended meanwhile."""
        assert self.supervisor is not None
        assert self.pending is not None
        run = self.pending
        self.directory = run.directory
        if self.directory is not None:
            for event in self.startup_events:
                self.directory.append(event)
        resume, past = (run.resume_point.checkpoint, run.resume_point.events) if run.resume_point else ("", ())
        if self.supervisor.start_run(
            run.run_id, run.config, run.folder, resume=resume, past=past, auto=run.auto, jobs=run.jobs
        ):
            self.open_run, self.pending = run.run_id, None

    def end(self) -> None:
        """End the worker in order, and drop the pending run."""
        self.pending = None
        if self.supervisor is not None and self.running:
            self.supervisor.end()

    def kill(self) -> None:
        """Kill the worker, and drop the pending run, without which its record is complete."""
        if self.pending is not None and self.pending.directory is not None:
            self.pending.directory.drop_engine(self.spec.name)
        self.pending = None
        if self.supervisor is not None:
            self.supervisor.kill()

    def abort(self, error: Exception) -> None:
        """End a worker whose supervisor's thread could not be started."""
        if self.running and self.supervisor is not None:
            self.supervisor.abort(error)
            self.running = False


def engines_to_stop(slots: Mapping[str, WorkerSlot]) -> list[str]:
    """Return the engines of a run that another process asked to stop, with those that have no run or wait for their turn."""
    asked = [slot.directory for slot in slots.values() if slot.directory is not None and slot.directory.stop_requested]
    for directory in asked:
        directory.stop_requested = False
    return [engine for engine, slot in slots.items() if asked and (slot.directory in asked or not slot.busy)]
