"""The parent's side of a worker process: start it, send it commands, read its events, and see it end.

One Supervisor owns one process and blocks the thread that calls `run`. The worker's events, its output, and what only its parent
can know (that it was spawned, that it died) reach `on_event` as one stream with numbers of its own; a gap in the worker's numbers
becomes a log line.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import selectors
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from engines.config import TrainConfig
from engines.gpu_selection import freest_gpus, query_problem
from engines.messages.codec import encode
from engines.messages.commands import ANY_GPU, RUN_COMMANDS, AutoDevice, Command, Shutdown, Start
from engines.messages.events import CommandSent, Event, LogLine, RunFailed, WorkerExited, WorkerSpawned
from engines.monitors.cgroups import oom_kills
from engines.preset_configs import for_engine
from engines.supervision import start_error
from engines.supervision.command_queue import CommandQueue
from engines.supervision.environment import FOLDER, allowed_threads, with_absolute_paths, worker_environment
from engines.supervision.event_reader import EventReader
from engines.supervision.exit_reason import LOADING, RESTART, WAITING, explain_exit
from engines.supervision.output import OutputCapture
from engines.supervision.pipes import open_pipe, read_available, read_ready, set_watched
from engines.supervision.registry import EngineSpec
from engines.supervision.run_ledger import RunLedger
from engines.ulimits import cpu_seconds_of_children, limit_behind, limit_in
from engines.user_path import user_path

SHUTDOWN_SECONDS = 2.0
"""Seconds from Shutdown to SIGTERM."""
TERM_SECONDS = 1.0
"""Seconds from SIGTERM to SIGKILL."""
POLL_SECONDS = 0.2
"""Longest delay before the end of the worker is noticed."""

_WORKER = Path(__file__).parents[1] / "worker" / "__main__.py"


class _ParentPipes(NamedTuple):
    """The app's ends of a worker's pipes."""

    commands: int
    output: int
    errors: int
    events: int


class Supervisor:
    """One worker process, from its start to its end."""

    def __init__(
        self,
        spec: EngineSpec,
        on_event: Callable[[Event], None],
        *,
        cache_dir: Path,
        cores: Sequence[int] = (),
        threads: int = 1,
        arguments: Sequence[str] = (),
        only_device: str = "",
    ) -> None:
        """Start nothing yet. `only_device` is the one device that the worker will ever use, if that is known."""
        self.spec = spec
        self.cores = tuple(cores)
        self.threads = threads
        self.pid: int | None = None
        self._arguments = tuple(arguments)
        self._only_device = only_device
        self._on_event = on_event
        self._cache_dir = cache_dir
        self._publish_lock = threading.RLock()
        self._seq = 0
        self._ledger = RunLedger(spec.name, spec.title)
        self._commands = CommandQueue()
        self._unsent = bytearray()
        """Encoded commands that the pipe has not accepted yet."""
        self._process_lock = threading.Lock()
        """Guards the process; never held while publishing, which may wait for a disk."""
        self._process: subprocess.Popen[bytes] | None = None
        self._ending_since: float | None = None
        self._terminated = False
        """True once SIGTERM was sent."""
        self._killed_on_purpose = False
        self._output = OutputCapture(
            lambda stream, text: self.publish(self._ledger.event(LogLine, stream=stream, text=text))
        )
        self._events = EventReader(spec.name, self._output.warn)
        self._oom_kills_before: int | None = None
        self.cpu_seconds = 0.0
        """CPU time of the worker, known once it has ended."""
        self._supervisor_error: Exception | None = None
        """An exception in this class that ended the worker."""

    # Commands, from any thread

    def start_run(
        self,
        run_id: str,
        config: TrainConfig,
        run_dir: str = "",
        *,
        resume: str = "",
        past: Sequence[Event] = (),
        auto: AutoDevice = ANY_GPU,
        jobs: int = 1,
    ) -> bool:
        """Request a run, which starts as soon as the worker is ready; False when the worker is already gone.

        A run that resumes from the checkpoint `resume` first publishes its past again, as if it had just happened.
        """
        start = Start(run_id=run_id, config=config, run_dir=run_dir, resume=resume, auto=auto, jobs=jobs)
        return self._commands.add(start, past)

    def send(self, command: Command) -> None:
        """Send a command; never blocks, even when the worker hangs. A worker that is gone gets none."""
        self._commands.add(command)

    def end(self) -> None:
        """End the worker: Shutdown, then SIGTERM, then SIGKILL, each with its deadline."""
        if self._ending_since is None:
            self._ending_since = time.monotonic()
            self.send(Shutdown())

    def kill(self) -> None:
        """Send SIGKILL now."""
        self._killed_on_purpose = True
        self._signal(signal.SIGKILL)
        self._commands.wake()

    @property
    def ending(self) -> bool:
        """True once `end` or `kill` was called."""
        return self._ending_since is not None or self._killed_on_purpose

    # The thread that owns the worker

    def run(self) -> None:
        """Start the worker and return when it has ended; publishes WorkerExited last.

        May raise an unexpected exception before there is a worker: then call `abort`.
        """
        if self._commands.closed:  # aborted before this thread started
            return
        self._oom_kills_before = oom_kills()
        self._encode_commands()
        with contextlib.ExitStack() as parent_ends:
            try:
                process, pipes = self._start(parent_ends)
            except OSError as error:
                self._close_commands()
                self._fail(*start_error.explain(self.spec, error))
                self.publish(self._ledger.event(WorkerExited, returncode=None, signal="", log_tail=()))
                return
            try:
                self._pump(process, pipes)
            except Exception as error:  # so that the end of the run names this error, and not SIGKILL
                self._supervisor_error = error
            finally:
                self._signal(signal.SIGKILL)  # also ends what the worker left in its process group
                self._reap(process)
        self._publish_exit(process.returncode)

    def abort(self, error: Exception) -> None:
        """End the worker, if there is one, and publish `error`, which `run` raised or which prevented its start."""
        self._supervisor_error = error
        self._signal(signal.SIGKILL)
        process = self._process
        if process is not None:
            self._reap(process)
        if not self._commands.closed:
            self._publish_exit(None)

    def _start(self, parent_ends: contextlib.ExitStack) -> tuple[subprocess.Popen[bytes], _ParentPipes]:
        """Start the worker; return it and the app's ends of its pipes, which `parent_ends` closes. Raises OSError.

        All pipes are opened here: Python before 3.11.4 leaves some of its own open when there is no room for the next.
        """
        self._commands.open()
        with contextlib.ExitStack() as worker_ends:
            stdin, commands = open_pipe(worker_ends, parent_ends)
            output, stdout = open_pipe(parent_ends, worker_ends)
            errors, stderr = open_pipe(parent_ends, worker_ends)
            events, protocol = open_pipe(parent_ends, worker_ends)
            guard, _ = open_pipe(worker_ends, parent_ends)
            scratch = tempfile.mkdtemp(prefix="mnist-tui-")
            parent_ends.callback(shutil.rmtree, scratch, ignore_errors=True)
            process = self._spawn((stdin, stdout, stderr), protocol, guard, scratch)
        return process, _ParentPipes(commands, output, errors, events)

    def _spawn(
        self, standard: tuple[int, int, int], protocol: int, guard: int, scratch: str
    ) -> subprocess.Popen[bytes]:
        module = str(user_path(self.spec.module)) if self.spec.module.endswith(".py") else self.spec.module
        arguments = [self.spec.name, "--module", module, "--threads", str(allowed_threads(self.threads))]
        arguments += ["--protocol-fd", str(protocol), "--guard-fd", str(guard)]
        stdin, stdout, stderr = standard
        process = subprocess.Popen(
            [self.spec.python, str(_WORKER), *arguments, *self._arguments],
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=[protocol, guard],
            env=worker_environment(self.spec, self.threads, self._cache_dir, scratch, self._only_device),
            cwd=FOLDER,
            start_new_session=True,  # the terminal's signals are meant for the app alone
        )
        if self.cores and hasattr(os, "sched_setaffinity"):
            with contextlib.suppress(OSError):  # before the first thread pool exists, so that all threads inherit it
                os.sched_setaffinity(process.pid, self.cores)
        self._process, self.pid = process, process.pid
        if self._killed_on_purpose:  # `kill` was called before there was a process
            self._signal(signal.SIGKILL)
        self.publish(self._ledger.event(WorkerSpawned, pid=process.pid, interpreter=self.spec.python))
        if problem := query_problem():
            self.publish(self._ledger.event(LogLine, stream="supervisor", text=problem))
        return process

    def _pump(self, process: subprocess.Popen[bytes], pipes: _ParentPipes) -> None:
        """Move bytes between the pipes and this process until the worker has ended and its pipes are empty."""
        readers: dict[int, Callable[[bytes], None]] = {
            pipes.output: lambda data: self._output.feed(data, "stdout"),
            pipes.errors: lambda data: self._output.feed(data, "stderr"),
            pipes.events: self._receive,
        }
        with selectors.DefaultSelector() as selector:
            for fd in (*readers, self._commands.wake_fd):
                os.set_blocking(fd, False)
                selector.register(fd, selectors.EVENT_READ)
            os.set_blocking(pipes.commands, False)
            while True:
                exited = _has_exited(process)
                if exited:
                    self._signal(signal.SIGKILL)  # processes that it left behind must not write any more
                reads_events = pipes.events in readers and (exited or self._events.may_read())
                set_watched(selector, pipes.events, selectors.EVENT_READ, wanted=reads_events)
                set_watched(selector, pipes.commands, selectors.EVENT_WRITE, wanted=bool(self._unsent) and not exited)
                ready = {key.fd for key, _ in selector.select(0.0 if exited else POLL_SECONDS)}
                if self._commands.wake_fd in ready:
                    read_available(self._commands.wake_fd)
                if not read_ready(selector, ready, readers) and exited:
                    break
                self._write_commands(pipes.commands)
                self._output.report_dropped()
                self._escalate_shutdown()
        self._events.finish()
        self._output.finish()

    def _write_commands(self, commands: int) -> None:
        self._encode_commands()
        if self._unsent:
            try:
                del self._unsent[: os.write(commands, self._unsent)]
            except BlockingIOError:
                pass
            except OSError:
                self._unsent.clear()  # the worker is gone; WorkerExited follows

    def _encode_commands(self) -> None:
        """Encode the commands in the queue, and publish those that change a run, so that the user sees them at once."""
        for command, past, t in self._commands.drain():
            if isinstance(command, Start):
                events = self._ledger.open(command, past, t)
                for event in events:
                    self.publish(event)
                command = dataclasses.replace(self._with_free_gpus(command), requested_t=events[0].t)
            elif self._ledger.run_id and isinstance(command, RUN_COMMANDS):
                self.publish(self._ledger.event(CommandSent, command=type(command).__name__))
            self._unsent += encode(with_absolute_paths(command)).encode() + b"\n"

    def _with_free_gpus(self, start: Start) -> Start:
        """Fill in which GPUs are free now, where the run is to choose one."""
        if start.auto.chosen or for_engine(start.config, self.spec.name).device != "auto":
            return start
        order = freest_gpus("" if start.auto.just_used else start.run_id, start.auto.held)
        return dataclasses.replace(start, auto=dataclasses.replace(start.auto, order=order))

    def _receive(self, data: bytes) -> None:
        for event in self._events.feed(data):
            recorded = self._ledger.record(event)
            if recorded is None:
                self._output.warn(f"run {event.run_id} is not under way: its {type(event).__name__} was dropped")
                continue
            if isinstance(recorded, RunFailed) and recorded.ends_worker:
                self.end()  # before the failure is published, so that the next run is not sent to this worker
            self.publish(recorded)

    def _escalate_shutdown(self) -> None:
        if self._ending_since is None:
            return
        waited = time.monotonic() - self._ending_since
        if waited > SHUTDOWN_SECONDS + TERM_SECONDS:
            self._signal(signal.SIGKILL)
        elif waited > SHUTDOWN_SECONDS and not self._terminated:
            self._terminated = True
            self._signal(signal.SIGTERM)

    # The end of the worker

    def _reap(self, process: subprocess.Popen[bytes]) -> None:
        with self._process_lock:  # once it is reaped, another process may get its number: send no more signals
            self._process = None
        before = cpu_seconds_of_children()
        process.wait()
        self.cpu_seconds = cpu_seconds_of_children() - before

    def _close_commands(self) -> None:
        """Accept no more commands, and publish the runs requested until now, so that their failure can follow."""
        self._commands.close()
        self._encode_commands()

    def _publish_exit(self, returncode: int | None) -> None:
        """Publish RunFailed if a run, or the start of the worker, ended with it; then WorkerExited."""
        self._close_commands()
        name = ""
        if returncode is not None and returncode < 0:
            with contextlib.suppress(ValueError):
                name = signal.Signals(-returncode).name
        failed_to_start = self._ledger.no_run_yet and bool(returncode) and not self.ending and not self._arguments
        if self._ledger.run_id or self._supervisor_error is not None or failed_to_start:
            self._fail(*self._exit_reason(returncode or 0, name), error=self._supervisor_error)
        tail = tuple(self._output.tail)
        self.publish(self._ledger.event(WorkerExited, returncode=returncode, signal=name, log_tail=tail))

    def _exit_reason(self, returncode: int, signal_name: str) -> tuple[str, str, str]:
        """Return (kind, message, hint) of the failure that the end of the worker is."""
        if self._supervisor_error is not None:
            text = f"{type(self._supervisor_error).__name__}: {self._supervisor_error}"
            message = f"The worker was ended because its supervisor failed: {text}"
            return "internal", message, limit_in(text) or RESTART
        if self._ending_since is not None:
            return "interrupted", "The run was interrupted: its worker was shut down.", ""
        activity = self._ledger.activity
        if self._killed_on_purpose:
            return "killed", f"Killed {activity}.", RESTART
        if activity == LOADING and not self._ledger.run_id:
            activity = WAITING
        oom_killed = (oom_kills() or 0) > (self._oom_kills_before or 0)
        output = self._output.last_words
        kind, message, hint = explain_exit(returncode, signal_name, activity, output, oom_killed=oom_killed)
        return kind, message, limit_behind(signal_name, self.cpu_seconds) or limit_in(output) or hint

    def _fail(self, kind: str, message: str, hint: str, *, error: Exception | None = None) -> None:
        trace = "".join(traceback.format_exception(error)) if error is not None else ""
        self.publish(self._ledger.event(RunFailed, kind=kind, message=message, hint=hint, traceback=trace))
        self._ledger.close()

    def publish(self, event: Event) -> None:
        """Publish an event in this worker's stream, with the next number; from any thread."""
        with self._publish_lock:
            self._seq += 1
            self._on_event(dataclasses.replace(event, seq=self._seq))

    def _signal(self, number: int) -> None:
        """Send a signal to the worker's process group, unless the worker is gone."""
        with self._process_lock, contextlib.suppress(OSError):
            if (
                self._process is not None and self._process.returncode is None
            ):  # not reaped: the number is still its own
                os.killpg(self._process.pid, number)


def _has_exited(process: subprocess.Popen[bytes]) -> bool:
    """Return whether the process has ended, without reaping it: until then no other process can get its number."""
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
