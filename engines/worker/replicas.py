"""The other processes of an engine that trains in several: their start, what they are told, and their end.

The worker writes a command a line to a replica's stdin; a replica says that it is ready, and what it died of, on its stdout. It
ends when its stdin does, so when the worker ends, in whatever way. Knows no framework; nothing is pickled.
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

NOTICE_SECONDS = 5.0
"""How long after a replica's death the worker may take to notice by itself: gloo does at once, NCCL waits for its dead."""


class ReplicaError(Exception):
    """A replica is gone; the message says which, and why."""


class Replica:
    """One other process, seen from the worker."""

    def __init__(self, module: str, name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start `module.serve(*arguments)` in this interpreter; `name` is how people are told of it."""
        main = Path(__file__).with_name("__main__.py")
        self.name = name
        self._process = subprocess.Popen(
            [sys.executable, str(main), "--replica", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **environment},
        )
        self._closing = False
        self._last_words = ""

    def wait_until_ready(self) -> None:
        """Raises ReplicaError when it ends instead."""
        assert self._process.stdout
        if self._process.stdout.readline() != b"ready\n":
            self._process.wait()
            raise ReplicaError(self.obituary)
        threading.Thread(target=self._watch, name=self.name, daemon=True).start()

    def tell(self, command: str, *arguments: Any) -> None:
        """Have it do something. Raises OSError when it is gone."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([command, *arguments]).encode() + b"\n")
        self._process.stdin.flush()

    def is_gone(self, seconds: float) -> bool:
        """Whether it has ended, or does so within that time."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode is not None

    @property
    def obituary(self) -> str:
        """What is to be said of a replica that has ended."""
        code = self._process.returncode
        how = f"exited with code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
        if not self._last_words and self._process.stdout:
            self._last_words = self._process.stdout.read().decode(errors="replace").strip()
        return f"The replica on {self.name} {how}." + (
            f" Its last words: {self._last_words}" if self._last_words else ""
        )

    @property
    def was_cut_off(self) -> bool:
        """Whether it died of another replica's death."""
        return "peer" in self.obituary

    def close(self) -> None:
        """End it; it has nothing to lose."""
        self._closing = True
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()

    def _watch(self) -> None:
        """End the worker where it waits for this replica, which is dead."""
        self._process.wait()
        time.sleep(NOTICE_SECONDS)
        if not self._closing:
            print(self.obituary, file=sys.stderr, flush=True)  # the worker's last words
            os._exit(1)


@contextlib.contextmanager
def attribute_failures(replicas: Sequence[Replica]) -> Iterator[None]:
    """What fails in here because a replica is gone raises ReplicaError, and says so."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        gone = [replica for replica in replicas if replica.is_gone(1.0)]
        if not gone:
            raise
        raise ReplicaError(min(gone, key=lambda replica: replica.was_cut_off).obituary) from error


def serve_commands(build: Callable[[], Mapping[str, Callable[..., Any]]]) -> NoReturn:
    """Be a replica: say that it is ready, build what can be commanded, by name, and obey until stdin ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the worker's, which may still write a checkpoint
        signal.signal(number, signal.SIG_IGN)
    answers, commands = os.dup(1), os.dup(0)
    os.dup2(2, 1)  # what a framework prints belongs into the log
    inbox: queue.SimpleQueue[list[Any]] = queue.SimpleQueue()

    def hear() -> None:
        with os.fdopen(commands, "rb") as lines:
            for line in lines:
                inbox.put(json.loads(line))
        os._exit(0)

    try:
        threading.Thread(target=hear, name="commands", daemon=True).start()
        os.write(answers, b"ready\n")
        obeys = build()
        while True:
            command, *arguments = inbox.get()
            obeys[command](*arguments)
    except BaseException as error:
        traceback.print_exc()
        os.write(answers, f"{type(error).__name__}: {error}".encode()[:4096])
        os._exit(1)
