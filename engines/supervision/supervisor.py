"""The parent's side of a worker: start it, command it, hear it, and see it end.

One Supervisor is one process and blocks the thread that calls `run`. What the worker says, what it prints, and what only its
parent can know (that it was spawned, that it died) come out of `on_event` as one stream, numbered anew; a gap in the worker's own
numbers is said in a log line.
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
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from engines.config import TrainConfig
from engines.messages.codec import MAX_LINE_BYTES, ProtocolError, decode_event, encode
from engines.messages.commands import RUN_COMMANDS, Command, Shutdown, Start
from engines.messages.events import (
    TERMINAL_EVENTS,
    CommandSent,
    Event,
    LogLine,
    RunFailed,
    RunRequested,
    WorkerExited,
    WorkerSpawned,
)
from engines.monitors.cgroups import oom_kills
from engines.plural import plural
from engines.supervision import start_error
from engines.supervision.environment import FOLDER, allowed_threads, located, remarks, worker_environment
from engines.supervision.exit_reason import LOADING, RESTART, WAITING, activity_after, explain_exit
from engines.supervision.output import OutputCapture
from engines.supervision.pipes import open_pipe, read_available, set_watched
from engines.supervision.registry import EngineSpec, absolute
from engines.supervision.streams import LineSplitter, TokenBucket
from engines.ulimits import cpu_seconds_of_children, limit_behind, limit_in
from engines.version import build

SHUTDOWN_SECONDS = 2.0
"""From Shutdown to SIGTERM."""
TERM_SECONDS = 1.0
"""From SIGTERM to SIGKILL."""
EVENTS_PER_SECOND = 2_000
"""A worker that says more must wait. Ten times what the shortest epochs on a GPU give; what decoding them costs stays small."""
BYTES_PER_EVENT = 4_096
"""A longer event counts as several."""
SAVED_SECONDS = 5
"""After silence, so many seconds' events may come at once."""

_WORKER = Path(__file__).parents[1] / "worker" / "__main__.py"


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
    ) -> None:
        self.spec = spec
        self.cores = tuple(cores)
        self.threads = threads
        self.pid: int | None = None
        self._arguments = tuple(arguments)
        self._on_event = on_event
        self._cache_dir = cache_dir
        self._lock = threading.RLock()
        self._process_lock = threading.Lock()
        """Of the process and of what wakes its thread; never held while an event is told, which may wait for a disk."""
        self._commands: deque[tuple[Command, Sequence[Event], float]] = deque()
        """To send: (command, its run's past, when it was given)."""
        self._pending = bytearray()
        """What the pipe has not taken yet."""
        self._seq = 0
        self._worker_seq = 0
        self._run_id = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._ending_since: float | None = None
        self._terminated = False
        """Whether SIGTERM was sent."""
        self._killed_on_purpose = False
        self._gone = False
        self._ended_run = ""
        self._unused = True
        """Whether no run was asked for and no failure was said so far."""
        self._doing = f"while importing {spec.title}"
        """What the worker was doing when it was last heard."""
        self._printed = OutputCapture(
            lambda stream, text: self.publish(self._synthesised(LogLine, stream=stream, text=text))
        )
        self._events = TokenBucket(EVENTS_PER_SECOND, EVENTS_PER_SECOND * SAVED_SECONDS)
        self._held_back = False
        self._oom_kills: int | None = None
        self._cpu_seconds = 0.0
        """That the worker had used when it ended."""
        self._supervisor_error: Exception | None = None
        """Of ours, which ended the worker."""
        self._wake_r = self._wake_w = -1
        """Opened by `run`: there, what fails ends in an event."""

    # Commands, from any thread

    def start_run(
        self, run_id: str, config: TrainConfig, run_dir: str = "", *, resume: str = "", past: Sequence[Event] = ()
    ) -> bool:
        """Ask for a run, which begins as soon as the worker is ready; False when the worker is already gone.

        A run that goes on from the checkpoint `resume` first tells its past again, as if it had just happened.
        """
        start = Start(run_id=run_id, config=config, run_dir=run_dir, resume=resume)
        with self._process_lock:
            if self._gone:
                return False
            self._commands.append((start, past, time.monotonic()))
        self._wake()
        return True

    def send(self, command: Command) -> None:
        """Send a command; never blocks, also when the worker hangs."""
        self._commands.append((command, (), time.monotonic()))
        self._wake()

    def end(self) -> None:
        """End the worker: Shutdown, then SIGTERM, then SIGKILL, each with its deadline."""
        if self._ending_since is None:
            self._ending_since = time.monotonic()
            self.send(Shutdown())

    def kill(self) -> None:
        """SIGKILL, now."""
        self._killed_on_purpose = True
        self._signal(signal.SIGKILL)
        self._wake()

    @property
    def ending(self) -> bool:
        """Whether the worker was told to end, or killed."""
        return self._ending_since is not None or self._killed_on_purpose

    # The thread that owns the worker

    def run(self) -> None:
        """Start the worker and stay until it has ended; says WorkerExited last.

        Raises what nobody foresaw where there is no worker yet: then `give_up`.
        """
        if self._gone:  # given up before it had begun
            return
        self._oom_kills = oom_kills()
        self._take_commands()
        with contextlib.ExitStack() as ours:
            try:
                process, protocol_r = self._start(ours)
            except OSError as error:
                self._close_commands()
                self._fail(*start_error.explain(self.spec, error))
                self.publish(self._synthesised(WorkerExited, returncode=None, signal="", log_tail=()))
                return
            try:
                self._pump(process, protocol_r)
            except Exception as error:  # so that the run's end says what it was, and not SIGKILL
                self._supervisor_error = error
            finally:
                self._signal(signal.SIGKILL)  # also what the worker left in its process group
                with (
                    self._process_lock
                ):  # once it is reaped, its number may be anybody's: nobody may signal it any more
                    self._process = None
                before = cpu_seconds_of_children()
                process.wait()
                self._cpu_seconds = cpu_seconds_of_children() - before
        self._say_exit(process.returncode)

    def abort(self, error: Exception) -> None:
        """`run` raised this, which nobody foresaw, or could not be begun: end the worker, if there is one, and say so."""
        self._supervisor_error = error
        self._signal(signal.SIGKILL)
        process = self._process
        if process is not None:
            with self._process_lock:
                self._process = None
            process.wait()
        if not self._gone:
            self._say_exit(None)

    def _start(self, ours: contextlib.ExitStack) -> tuple[subprocess.Popen[bytes], int]:
        """The worker, and where it says its events; `ours` is closed when it has ended. Raises OSError."""
        with self._process_lock:
            self._wake_r, self._wake_w = os.pipe()
            os.set_blocking(self._wake_w, False)
        with contextlib.ExitStack() as theirs:
            protocol_r, protocol_w = open_pipe(ours, theirs)
            guard_r, _ = open_pipe(theirs, ours)
            scratch = tempfile.mkdtemp(prefix="mnist-tui-")
            ours.callback(shutil.rmtree, scratch, ignore_errors=True)
            process = self._spawn(protocol_w, guard_r, scratch)
        for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
            ours.callback(pipe.close)
        return process, protocol_r

    def _spawn(self, protocol_w: int, guard_r: int, scratch: str) -> subprocess.Popen[bytes]:
        module = absolute(self.spec.module) if self.spec.module.endswith(".py") else self.spec.module
        arguments = [self.spec.name, "--module", module, "--threads", str(allowed_threads(self.threads))]
        arguments += ["--protocol-fd", str(protocol_w), "--guard-fd", str(guard_r)]
        process = subprocess.Popen(
            [self.spec.python, str(_WORKER), *arguments, *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[protocol_w, guard_r],
            env=worker_environment(self.spec, self.threads, self._cache_dir, scratch),
            cwd=FOLDER,
            start_new_session=True,  # the terminal's signals are for the app alone
            bufsize=0,
        )
        if self.cores and hasattr(os, "sched_setaffinity"):
            with contextlib.suppress(OSError):  # before the first thread pool exists, so that all threads inherit it
                os.sched_setaffinity(process.pid, self.cores)
        self._process, self.pid = process, process.pid
        if self._killed_on_purpose:  # before there was anything to kill
            self._signal(signal.SIGKILL)
        self.publish(self._synthesised(WorkerSpawned, pid=process.pid, interpreter=self.spec.python))
        return process

    def _pump(self, process: subprocess.Popen[bytes], protocol_r: int) -> None:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        stdin, stdout, stderr = process.stdin.fileno(), process.stdout.fileno(), process.stderr.fileno()
        said = LineSplitter(MAX_LINE_BYTES)
        unread = {protocol_r, stdout, stderr}
        with selectors.DefaultSelector() as selector:
            for fd in (stdout, stderr, protocol_r, self._wake_r):
                os.set_blocking(fd, False)
                selector.register(fd, selectors.EVENT_READ)
            os.set_blocking(stdin, False)
            while True:
                exited = _has_exited(process)
                if exited:
                    self._signal(signal.SIGKILL)  # what it left behind must not go on talking
                listens = protocol_r in unread and (exited or not self._says_too_much())
                set_watched(selector, protocol_r, selectors.EVENT_READ, wanted=listens)
                set_watched(selector, stdin, selectors.EVENT_WRITE, wanted=bool(self._pending) and not exited)
                ready = {key.fd for key, _ in selector.select(0.0 if exited else 0.2)}
                if self._wake_r in ready:
                    read_available(self._wake_r)
                heard = ready & unread
                for fd in heard:
                    data = read_available(fd)
                    if data == b"":
                        selector.unregister(fd)
                        unread.discard(fd)
                    elif fd == protocol_r:
                        for line in said.feed(data or b""):
                            self._hear(line)
                    else:
                        self._printed.feed(data or b"", "stdout" if fd == stdout else "stderr")
                if exited and not heard:
                    break
                self._write(stdin)
                self._printed.report_dropped()
                self._escalate_shutdown()
        if said.remainder().strip():
            self._printed.warn("the worker ended in the middle of an event, which is lost")
        self._printed.finish()

    def _write(self, stdin: int) -> None:
        self._take_commands()
        if self._pending:
            try:
                del self._pending[: os.write(stdin, self._pending)]
            except BlockingIOError:
                pass
            except OSError:
                self._pending.clear()  # it is gone; its end is about to be said

    def _take_commands(self) -> None:
        """Make ready what is to be sent; what changes a run is published, so that one sees at once that it was heard."""
        while self._commands:
            command, past, given = self._commands.popleft()
            if isinstance(command, Start):
                command = dataclasses.replace(command, requested_t=self._publish_requested(command, past, given))
            elif self._run_id and isinstance(command, RUN_COMMANDS):
                self.publish(self._synthesised(CommandSent, command=type(command).__name__))
            self._pending += encode(located(command)).encode() + b"\n"

    def _publish_requested(self, start: Start, past: Sequence[Event], asked: float) -> float:
        """Publish RunRequested and the past of a resumed run; returns when the run's wall clock began."""
        self._run_id, self._ended_run, self._unused = start.run_id, "", False
        shift = asked - past[-1].t if past else 0.0
        began = past[0].t + shift if past else asked
        self.publish(self._synthesised(RunRequested, t=began, config=start.config, build=build()))
        for event in past[1:]:
            self.publish(dataclasses.replace(event, run_id=start.run_id, t=event.t + shift))
        for text in remarks():
            self.publish(self._synthesised(LogLine, t=asked, stream="supervisor", text=text))
        return began

    def _escalate_shutdown(self) -> None:
        if self._ending_since is None:
            return
        waited = time.monotonic() - self._ending_since
        if waited > SHUTDOWN_SECONDS + TERM_SECONDS:
            self._signal(signal.SIGKILL)
        elif waited > SHUTDOWN_SECONDS and not self._terminated:
            self._terminated = True
            self._signal(signal.SIGTERM)

    # What the worker says

    def _says_too_much(self) -> bool:
        """Whether the worker's events must wait in the pipe, and so the worker with them."""
        if self._events.available(time.monotonic()) > 0:
            return False
        if not self._held_back:
            self._held_back = True
            self._printed.warn(f"the worker says more than {EVENTS_PER_SECOND:,} events a second, and has to wait")
        return True

    def _hear(self, line: bytes) -> None:
        if not line.strip():
            return
        self._events.take(1 + len(line) // BYTES_PER_EVENT)
        if len(line) >= MAX_LINE_BYTES:
            self._printed.warn(f"a line of more than {MAX_LINE_BYTES:,} bytes from the worker was dropped")
            return
        try:
            event = decode_event(line)
        except ProtocolError as error:
            self._printed.warn(f"unreadable line from the worker ({error}): {line[:200].decode(errors='replace')}")
            return
        if event.engine != self.spec.name:
            self._printed.warn(f"an event of {event.engine!r} from the worker of {self.spec.name!r} was dropped")
            return
        lost = event.seq - self._worker_seq - 1
        if lost > 0:
            self._printed.warn(f"the worker's stream has lost {plural(lost, 'event')}")
        self._worker_seq = max(event.seq, self._worker_seq)
        if isinstance(event, TERMINAL_EVENTS):
            self._unused = False
            event = dataclasses.replace(event, run_id=event.run_id or self._run_id)
            if event.run_id and event.run_id == self._ended_run:
                self._printed.warn(f"run {event.run_id} had ended already: {type(event).__name__} was dropped")
                return
            self._ended_run = event.run_id
            if event.run_id == self._run_id:
                self._run_id = ""
        self._doing = activity_after(event) or self._doing
        self.publish(event)

    def _say_exit(self, returncode: int | None) -> None:
        self._close_commands()
        name = ""
        if returncode is not None and returncode < 0:
            with contextlib.suppress(ValueError):
                name = signal.Signals(-returncode).name
        fails_unused = self._unused and bool(returncode) and not self.ending and not self._arguments
        if self._run_id or self._supervisor_error is not None or fails_unused:
            self._fail(*self._cause(returncode or 0, name), error=self._supervisor_error)
        tail = tuple(self._printed.tail)
        self.publish(self._synthesised(WorkerExited, returncode=returncode, signal=name, log_tail=tail))

    def _close_commands(self) -> None:
        """From here on nothing can be asked for; what was asked until now is told, and its end is for the caller to say."""
        with self._process_lock:
            self._gone = True
            for fd in (self._wake_r, self._wake_w):
                if fd >= 0:
                    os.close(fd)
            self._wake_r = self._wake_w = -1
        self._take_commands()

    def _cause(self, returncode: int, name: str) -> tuple[str, str, str]:
        if self._supervisor_error is not None:
            said = f"{type(self._supervisor_error).__name__}: {self._supervisor_error}"
            message = f"The worker was ended because what looks after it failed: {said}"
            return "internal", message, limit_in(said) or RESTART
        if self._ending_since is not None:
            return "interrupted", "The run was cut off because the worker was told to end.", ""
        if self._killed_on_purpose:
            return "killed", "Killed, as you asked.", "Restart starts a new worker."
        oom_killed = (oom_kills() or 0) > (self._oom_kills or 0)
        was_doing = WAITING if self._doing == LOADING and not self._run_id else self._doing
        kind, message, hint = explain_exit(returncode, name, was_doing, self._printed.last_words, oom_killed=oom_killed)
        return kind, message, limit_behind(name, self._cpu_seconds) or limit_in(self._printed.last_words) or hint

    def _fail(self, kind: str, message: str, hint: str, *, error: Exception | None = None) -> None:
        trace = "".join(traceback.format_exception(error)) if error is not None else ""
        self.publish(self._synthesised(RunFailed, kind=kind, message=message, hint=hint, traceback=trace))
        self._run_id = ""

    def _synthesised(self, kind: type[Event], /, **fields: Any) -> Event:
        return kind(engine=self.spec.name, run_id=self._run_id, **{"t": time.monotonic(), **fields})

    def publish(self, event: Event) -> None:
        """Let an event join this worker's stream, numbered as its next; from any thread."""
        with self._lock:
            self._seq += 1
            self._on_event(dataclasses.replace(event, seq=self._seq))

    def _signal(self, number: int) -> None:
        with self._process_lock, contextlib.suppress(OSError):
            if self._process is not None and self._process.returncode is None:  # not reaped: the number is its own
                os.killpg(self._process.pid, number)

    def _wake(self) -> None:
        with self._process_lock, contextlib.suppress(OSError):
            if self._wake_w >= 0:
                os.write(self._wake_w, b"!")


def _has_exited(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process ended, without reaping it: until then nobody else can get its number."""
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
