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
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines.config import TrainConfig
from engines.events import (
    TERMINAL,
    Command,
    Event,
    LogLine,
    RunFailed,
    RunRequested,
    Shutdown,
    Start,
    WorkerExited,
    WorkerSpawned,
)
from engines.protocol import MAX_LINE_BYTES, ProtocolError, decode_event, encode
from engines.version import build

SHUTDOWN_SECONDS = 2.0
"""From Shutdown to SIGTERM."""
TERM_SECONDS = 1.0
"""From SIGTERM to SIGKILL."""
LOG_TAIL_LINES = 20
MAX_LOG_CHARACTERS = 2_000

_WORKER = Path(__file__).parent / "worker" / "__main__.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """How to start one engine's worker."""

    name: str
    title: str
    module: str
    """The engine's module, or the path of its file."""
    python: str
    """The interpreter."""
    python_from: str = "the app's own interpreter"
    """Why that interpreter, for people."""


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
        self._to_send: deque[bytes] = deque()
        self._seq = 0
        self._worker_seq = 0
        self._run_id = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._ending_since: float | None = None
        self._killed_on_purpose = False
        self._gone = False
        self._log_tail: deque[str] = deque(maxlen=LOG_TAIL_LINES)
        self._fatal_error = ""
        self._wake_r, self._wake_w = os.pipe()
        os.set_blocking(self._wake_w, False)

    # Commands, from any thread

    def start_run(
        self, run_id: str, config: TrainConfig, run_dir: str = "", *, resume: str = "", past: Sequence[Event] = ()
    ) -> bool:
        """Ask for a run, which begins as soon as the worker is ready; False when the worker is already gone.

        A run that goes on from the checkpoint `resume` first tells its past again, as if it had just happened.
        """
        with self._lock:
            if self._gone:
                return False
            self._run_id = run_id
            now = time.monotonic()
            shift = now - past[-1].t if past else 0.0
            began = past[0].t + shift if past else now
            asked = RunRequested(engine=self.spec.name, run_id=run_id, t=began, config=config, build=build())
            self.publish(asked)
            for event in past[1:]:
                self.publish(dataclasses.replace(event, run_id=run_id, t=event.t + shift))
        self.send(Start(run_id=run_id, config=config, run_dir=run_dir, resume=resume))
        return True

    def send(self, command: Command) -> None:
        """Send a command; never blocks, also when the worker hangs."""
        self._to_send.append(encode(command).encode() + b"\n")
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
        """Start the worker and stay until it has ended; says WorkerExited last, whatever happens."""
        protocol_r, protocol_w = os.pipe()
        try:
            process = self._spawn(protocol_w)
        except OSError as error:
            with self._lock:
                self._gone = True
            os.close(protocol_r)
            self._fail("missing-interpreter", f"{self.spec.python} could not be started: {error.strerror or error}.")
            self.publish(self._synthesised(WorkerExited, returncode=None, signal="", log_tail=()))
            return
        finally:
            os.close(protocol_w)
        try:
            self._pump(process, protocol_r)
        finally:
            self._signal(signal.SIGKILL)  # also what the worker left in its process group
            self._process = None
            process.wait()
            os.close(protocol_r)
            for pipe in (process.stdin, process.stdout, process.stderr):
                with contextlib.suppress(OSError):
                    if pipe:
                        pipe.close()
            self._say_exit(process.returncode)

    def _spawn(self, protocol_w: int) -> subprocess.Popen[bytes]:
        arguments = [self.spec.name, "--protocol-fd", str(protocol_w), "--module", self.spec.module]
        process = subprocess.Popen(
            [self.spec.python, str(_WORKER), *arguments, "--threads", str(self.threads), *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[protocol_w],
            env=self._environment(),
            start_new_session=True,  # the terminal's signals are for the app alone
            bufsize=0,
        )
        if self.cores and hasattr(os, "sched_setaffinity"):
            with contextlib.suppress(OSError):  # before the first thread pool exists, so that all threads inherit it
                os.sched_setaffinity(process.pid, self.cores)
        self._process, self.pid = process, process.pid
        self.publish(self._synthesised(WorkerSpawned, pid=process.pid, interpreter=self.spec.python))
        return process

    def _environment(self) -> dict[str, str]:
        environment = dict(os.environ)
        environment.pop("PYTHONHOME", None)
        environment.update(
            MNIST_TUI_CACHE_DIR=str(self._cache_dir),
            PYTHONUNBUFFERED="1",
            PYTHONFAULTHANDLER="1",
            OMP_NUM_THREADS=str(self.threads),
            TF_CPP_MIN_LOG_LEVEL=environment.get("TF_CPP_MIN_LOG_LEVEL", "2"),
            TF_FORCE_GPU_ALLOW_GROWTH="true",
            CUDA_DEVICE_ORDER="PCI_BUS_ID",  # so that cuda:0 is GPU 0 of the usage pane too
            KERAS_BACKEND="tensorflow",
            # Keep freed activations: glibc otherwise returns them to the kernel and faults them in again at every step.
            MALLOC_MMAP_THRESHOLD_="33554432",
            MALLOC_TRIM_THRESHOLD_="1073741824",
        )
        return environment

    def _pump(self, process: subprocess.Popen[bytes], protocol_r: int) -> None:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        stdin = process.stdin.fileno()
        buffers = {protocol_r: bytearray(), process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
        streams = {process.stdout.fileno(): "stdout", process.stderr.fileno(): "stderr"}
        pending = bytearray()
        with selectors.DefaultSelector() as selector:
            for fd in (*buffers, self._wake_r):
                os.set_blocking(fd, False)
                selector.register(fd, selectors.EVENT_READ)
            os.set_blocking(stdin, False)
            while True:
                exited = _has_exited(process)
                ready = selector.select(0.0 if exited else 0.2)
                got = [key.fd for key, _ in ready if key.fd != self._wake_r]
                if len(got) < len(ready):
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake_r, 4096)
                for fd in got:
                    self._read(fd, buffers[fd], streams.get(fd), selector)
                if exited and not got:
                    break
                pending = self._write(stdin, pending)
                if pending and stdin not in selector.get_map() and not exited:
                    selector.register(stdin, selectors.EVENT_WRITE)
                    buffers[stdin] = bytearray()
                elif not pending and stdin in selector.get_map():
                    selector.unregister(stdin)
                self._climb_ladder()
        for fd, stream in streams.items():
            if buffers[fd]:
                self._log(bytes(buffers[fd]), stream)

    def _read(self, fd: int, buffer: bytearray, stream: str | None, selector: selectors.BaseSelector) -> None:
        if self._process and self._process.stdin and fd == self._process.stdin.fileno():
            return
        try:
            data = os.read(fd, 1 << 16)
        except BlockingIOError:
            return
        if not data:
            selector.unregister(fd)
            return
        buffer += data
        *lines, rest = bytes(buffer).split(b"\n")
        buffer[:] = rest
        for line in lines:
            if stream is None:
                self._hear(line)
            else:
                self._log(line, stream)
        if len(buffer) > MAX_LINE_BYTES:
            buffer.clear()
            self._note(f"a line of more than {MAX_LINE_BYTES:,} bytes from the worker was dropped")

    def _write(self, stdin: int, pending: bytearray) -> bytearray:
        while self._to_send:
            pending += self._to_send.popleft()
        if pending:
            try:
                del pending[: os.write(stdin, pending)]
            except BlockingIOError:
                pass
            except OSError:
                pending.clear()  # it is gone; its end is about to be said
        return pending

    def _climb_ladder(self) -> None:
        if self._ending_since is None:
            return
        waited = time.monotonic() - self._ending_since
        if waited > SHUTDOWN_SECONDS + TERM_SECONDS:
            self._signal(signal.SIGKILL)
        elif waited > SHUTDOWN_SECONDS:
            self._signal(signal.SIGTERM)

    # What the worker says

    def _hear(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            event = decode_event(line)
        except ProtocolError as error:
            self._note(f"unreadable line from the worker ({error}): {line[:200].decode(errors='replace')}")
            return
        if event.engine != self.spec.name:
            self._note(f"an event of {event.engine!r} from the worker of {self.spec.name!r} was dropped")
            return
        lost = event.seq - self._worker_seq - 1
        if lost > 0:
            self._note(f"{lost} events of the worker were lost")
        self._worker_seq = max(event.seq, self._worker_seq)
        if isinstance(event, TERMINAL):
            event = dataclasses.replace(event, run_id=event.run_id or self._run_id)
            if event.run_id == self._run_id:
                self._run_id = ""
        self.publish(event)

    def _log(self, line: bytes, stream: str) -> None:
        text = line.decode(errors="replace").rstrip("\r").rpartition("\r")[2][:MAX_LOG_CHARACTERS]
        if text.strip():
            self._log_tail.append(text)
            if text.startswith("Fatal Python error"):  # the stacks that follow it may be longer than the tail
                self._fatal_error = text
            self.publish(self._synthesised(LogLine, stream=stream, text=text))

    def _note(self, text: str) -> None:
        self.publish(self._synthesised(LogLine, stream="supervisor", text=text))

    def _say_exit(self, returncode: int) -> None:
        with self._lock:
            self._gone = True  # from here on, no run can be asked for
        name = ""
        if returncode < 0:
            with contextlib.suppress(ValueError):
                name = signal.Signals(-returncode).name
        if self._run_id:
            self._fail(*self._cause(returncode, name))
        self.publish(
            self._synthesised(WorkerExited, returncode=returncode, signal=name, log_tail=tuple(self._log_tail))
        )
        os.close(self._wake_r)
        with self._lock:
            os.close(self._wake_w)
            self._wake_w = -1

    def _cause(self, returncode: int, name: str) -> tuple[str, str, str]:
        if self._ending_since is not None:
            return "interrupted", "The run was cut off because the worker was told to end.", ""
        if self._killed_on_purpose:
            return "killed", "Killed, as you asked.", "Restart starts a new worker."
        if name == "SIGKILL":
            return (
                "crashed",
                "The worker was killed (SIGKILL).",
                ("If nobody did that, the system ran out of memory. Restart starts a new worker."),
            )
        how = f"was ended by {name}" if name else f"exited with code {returncode}"
        words = self._fatal_error or (self._log_tail[-1] if self._log_tail else "")
        last = f" Its last words: {words}" if words else ""
        return (
            "crashed",
            f"The worker {how} in the middle of the run.{last}",
            ("The log has the details. Restart starts a new worker."),
        )

    def _fail(self, kind: str, message: str, hint: str = "Look at `mnist-tui doctor`.") -> None:
        self.publish(self._synthesised(RunFailed, kind=kind, message=message, hint=hint))
        self._run_id = ""

    def _synthesised(self, kind: type[Event], /, **fields: Any) -> Event:
        return kind(engine=self.spec.name, run_id=self._run_id, t=time.monotonic(), **fields)

    def publish(self, event: Event) -> None:
        """Let an event join this worker's stream, numbered as its next; from any thread."""
        with self._lock:
            self._seq += 1
            self._on_event(dataclasses.replace(event, seq=self._seq))

    def _signal(self, number: int) -> None:
        process = self._process
        if process is not None and process.returncode is None:  # not reaped, so the number is still its own
            with contextlib.suppress(OSError):
                os.killpg(process.pid, number)

    def _wake(self) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._wake_w >= 0:
                os.write(self._wake_w, b"!")


def _has_exited(process: subprocess.Popen[bytes]) -> bool:
    """Whether the process ended, without reaping it: until then nobody else can get its number."""
    if not hasattr(os, "waitid"):
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
