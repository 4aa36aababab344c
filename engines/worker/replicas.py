"""Start and command the replicas: the further processes of an engine that trains in several.

The worker writes one command per line to a replica's stdin; the replica reports on its stdout that it is ready, and its fatal
error. A replica ends when its stdin does, and so however the worker ends. Knows no framework; nothing is pickled.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

CLOSE = "close"
"""The command after which a replica ends."""
CLOSE_SECONDS = 2.5
"""Seconds for all replicas to close: less than the rest before the next run of a series, which then gets a new worker."""
NOTICE_SECONDS = 5.0
"""Seconds that the worker has to notice a replica's death by itself: gloo notices at once, NCCL waits without end."""


class ReplicaError(Exception):
    """A replica has ended; the message says which, and why."""


class Replica:
    """A replica's process, as the worker sees it."""

    def __init__(self, module: str, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start `module.serve(*arguments)` in a process of its own; messages call it `name`."""
        main = Path(__file__).with_name("__main__.py")
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, str(main), "--replica", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        self._closing = False
        self._error = ""

    def wait_until_ready(self) -> None:
        """Wait until the replica is ready. Raises ReplicaError when it ends instead."""
        assert self._process.stdout
        if self._process.stdout.readline() != b"ready\n":
            self._process.wait()
            raise ReplicaError(self.exit_description)
        threading.Thread(target=self._watch, name=self.name, daemon=True).start()

    def send(self, command: str, *arguments: Any) -> None:
        """Send a command with its arguments. Raises OSError when the replica has ended."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([command, *arguments]).encode() + b"\n")
        self._process.stdin.flush()

    def ends_within(self, seconds: float) -> bool:
        """Wait up to `seconds` for the replica's end; return whether it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode is not None

    @property
    def exit_description(self) -> str:
        """Describe, in one or two sentences, how a replica ended and why."""
        code = self._process.returncode
        how = f"exited with code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
        if not self._error and self._process.stdout:
            self._error = self._process.stdout.read().decode(errors="replace").strip()
        return f"The replica on {self.name} {how}." + (f" Its last output: {self._error}" if self._error else "")

    @property
    def lost_its_peer(self) -> bool:
        """Return whether the replica ended because another one did."""
        return "peer" in self.exit_description

    def close(self) -> None:
        """Tell the replica to close. Raises OSError when it has ended."""
        self._closing = True
        self.send(CLOSE)

    def wait_until_closed(self) -> None:
        """Wait for the end of a replica that was told to close. Raises ReplicaError when it failed instead."""
        if self._process.wait():
            raise ReplicaError(self.exit_description)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()

    def kill(self) -> None:
        """Kill the replica; it holds no results."""
        self._closing = True
        self._process.kill()

    def _watch(self) -> None:
        """End the worker if it still waits for this replica some seconds after its death."""
        self._process.wait()
        time.sleep(NOTICE_SECONDS)
        if not self._closing:
            _end_worker(self.exit_description)


def close_together(replicas: Sequence[Replica], destroy: Callable[[], object]) -> None:
    """Tell all replicas to close and, at the same time, `destroy` this process's part of the group that they form.

    Ends the worker when that fails or takes longer than CLOSE_SECONDS: NCCL waits without end for a replica that does not
    answer, and a process that still belongs to one group can't form another.
    """
    late = f"The replicas did not close within {CLOSE_SECONDS:g} s."
    deadline = threading.Timer(CLOSE_SECONDS, _end_worker, (late, replicas))
    deadline.daemon = True
    deadline.start()
    try:
        for replica in replicas:
            replica.close()
        destroy()
        for replica in replicas:
            replica.wait_until_closed()
    except Exception as error:
        _end_worker(f"The replicas could not close: {error}", replicas)
    deadline.cancel()


def _end_worker(reason: str, replicas: Sequence[Replica] = ()) -> NoReturn:
    """Kill the replicas without waiting for their end, and end this process; the supervisor quotes the reason."""
    for replica in replicas:
        replica.kill()
    print(reason, file=sys.stderr, flush=True)
    os._exit(1)


@contextlib.contextmanager
def attribute_failures(replicas: Sequence[Replica]) -> Iterator[None]:
    """Raise ReplicaError instead of an error in the block that the end of a replica caused."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        ended = [replica for replica in replicas if replica.ends_within(1.0)]
        if not ended:
            raise
        raise ReplicaError(min(ended, key=lambda replica: replica.lost_its_peer).exit_description) from error


def serve_commands(build: Callable[[], Mapping[str, Callable[..., Any]]]) -> NoReturn:
    """Serve as a replica: report that it is ready, build the commands by name, and run what stdin commands.

    Ends after the command CLOSE, and at the end of stdin.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # the worker may still write a checkpoint, and needs its replicas
        signal.signal(number, signal.SIG_IGN)
    report_fd, command_fd = os.dup(1), os.dup(0)
    os.dup2(2, 1)  # a framework's output goes to the log, not to the worker
    inbox: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()

    def read_commands() -> None:
        with os.fdopen(command_fd, "rb") as lines:
            for line in lines:
                inbox.put(json.loads(line))
        os._exit(0)

    try:
        threading.Thread(target=read_commands, name="commands", daemon=True).start()
        os.write(report_fd, b"ready\n")
        commands = build()
        while True:
            command, *arguments = inbox.get()
            commands[command](*arguments)
            if command == CLOSE:
                os._exit(0)
    except BaseException as error:
        traceback.print_exc()
        os.write(report_fd, f"{type(error).__name__}: {error}".encode()[:4096])
        os._exit(1)
