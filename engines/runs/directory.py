"""The folder of a run: config.json, events.jsonl, summary.json, and the files that the workers write beside them.

The threads that drain the workers write it line by line, not the app's event loop. A run goes on when its record can't be
written: events wait in memory until the disk has space again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from engines.atomic_file import write_atomically
from engines.errors import reason
from engines.messages.codec import encode, to_plain
from engines.messages.events import (
    TERMINAL_EVENTS,
    EpochCompleted,
    Event,
    Heartbeat,
    MachineUsage,
    Prediction,
    SaveFailed,
    StepMeasured,
)
from engines.runs.history import RunHistory
from engines.runs.run_id import utc_prefix
from engines.runs.save_failures import describe_save_failure
from engines.runs.stop_request import accept_request
from engines.runs.summary import run_summary
from engines.runs.twins import TwinComparison

SCHEMA = 1
"""Version of the format; it grows when an older reader could no longer understand a run."""
LOCK_ATTEMPTS = 20
"""Attempts to lock a new record; a reader that tests the lock holds it for a moment."""
LOCK_RETRY_SECONDS = 0.005
MAX_WAITING_BYTES = 8 * 2**20
"""Bytes of events that may wait for space on the disk: some ten minutes of training."""


def new_run_id(seed: int) -> str:
    """Return the id of a run that starts now."""
    return f"{utc_prefix(datetime.now())}seed{seed}-{os.getpid() % 10_000:04d}"


class RunDirectory:
    """The record of one run, with one or several engines."""

    def __init__(self, folder: Path, configs: Mapping[str, Any], *, series: str = "", resumed: str = "") -> None:
        """`series` is the id of the first run of several seeds; `resumed` is the id of the run that this one continues."""
        self.folder = folder
        self.problem = ""
        """The reason why events are not on disk, or not yet; empty when all are."""
        self.stop_requested = False
        """True when another process has asked the run to stop, until the session has done so."""
        self._failure: SaveFailed | None = None
        """The part of the run that is lost for good."""
        self._reported_to: set[str] = set()
        """The engines in whose streams the failure was published."""
        self.twins = TwinComparison(tuple(configs))
        self._lock = threading.Lock()
        self._histories = {engine: RunHistory(engine) for engine in configs}
        self._events_fd: int | None = None
        """The descriptor of events.jsonl, unbuffered so that written events survive any end of the app; None once closed."""
        self._waiting = bytearray()
        """Bytes of events that could not be written yet; may start within a line."""
        try:
            folder.mkdir(parents=True)
            self._write_json(
                "config.json",
                {
                    "schema": SCHEMA,
                    "created": datetime.now().astimezone().isoformat(timespec="seconds"),
                    "series": series,
                    "resumed": resumed,
                    "engines": {engine: to_plain(config) for engine, config in configs.items()},
                },
            )
            self._events_fd = os.open(
                folder / "events.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666
            )
            _lock(self._events_fd)
        except OSError as error:
            self._abort("run", error)

    @property
    def accepts_files(self) -> bool:
        """True while checkpoints and models can be written beside the record."""
        return (self._failure is None or self._failure.what != "run") and self.folder.is_dir()

    def append(self, event: Event) -> None:
        """Append one event; from any thread. The end of the last engine's run closes the record and writes the summary."""
        if isinstance(event, Heartbeat | StepMeasured):
            return
        if isinstance(event, Prediction):
            event = replace(event, activations="")
        if isinstance(event, MachineUsage):  # a run that is passed on names no other people's processes
            event = replace(event, gpus=tuple(replace(gpu, details=None) for gpu in event.gpus))
        with self._lock:
            if self._events_fd is None:
                return
            try:
                if event.engine in self._histories:
                    self._histories[event.engine].apply(event)
                self._waiting += encode(event).encode() + b"\n"
                self._write_waiting()
                if isinstance(event, (EpochCompleted, MachineUsage, *TERMINAL_EVENTS)):
                    os.stat(
                        self.folder / "events.jsonl"
                    )  # raises if the file was deleted, which writing to it does not
                if isinstance(event, TERMINAL_EVENTS):
                    self._close_if_complete()
                elif isinstance(event, MachineUsage) and not self.stop_requested:  # one a second
                    self.stop_requested = accept_request(self.folder)
            except Exception as error:  # even a bug here ends the record and not the run
                self._abort("record", error)

    def report_failure(self, engine: str, publish: Callable[[Event], None]) -> None:
        """Publish, once for each engine, what part of the run is lost for good."""
        if self._failure is not None and engine not in self._reported_to:
            self._reported_to.add(engine)
            publish(replace(self._failure, engine=engine, t=time.monotonic()))

    def copy_results(self, source: Path, engine: str) -> SaveFailed | None:
        """Copy the checkpoint and the model of a finished engine from the run that this one continues."""
        try:
            for file in source.glob(f"{engine}.*"):
                write_atomically(self.folder / file.name, partial(shutil.copyfile, file))
        except OSError as error:
            return SaveFailed(
                engine=engine,
                run_id=self.folder.name,
                t=time.monotonic(),
                what="model",
                path=str(self.folder),
                reason=reason(error),
            )
        return None

    def drop_engine(self, engine: str) -> None:
        """Complete the record without this engine, whose run never started."""
        self.twins.drop_engine(engine)
        with self._lock:
            self._histories.pop(engine, None)
            try:
                self._close_if_complete()
            except Exception as error:
                self._abort("record", error)

    def _write_waiting(self, *, final: bool = False) -> None:
        """Write the waiting bytes as far as the disk has space. Raises OSError when too many wait, or on the `final` attempt."""
        assert self._events_fd is not None
        try:
            while self._waiting:
                del self._waiting[: os.write(self._events_fd, self._waiting)]
            self.problem = ""
        except OSError as error:
            if final or len(self._waiting) > MAX_WAITING_BYTES:
                raise
            self.problem = f"The record of this run waits: {reason(error)}, in {self.folder}."

    def _close_if_complete(self) -> None:
        """Close the record and write the summary once every engine's run has ended."""
        if self._events_fd is None or any(history.ended_t is None for history in self._histories.values()):
            return
        self._write_waiting(final=True)
        events, self._events_fd = self._events_fd, None  # even if closing fails, the descriptor is no longer ours
        os.close(events)
        try:
            self._write_json("summary.json", run_summary(self._histories))
        except Exception as error:
            self._abort("summary", error)

    def _write_json(self, name: str, content: Any) -> None:
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        write_atomically(self.folder / name, lambda part: part.write_text(text, encoding="utf-8"))

    def _abort(self, what: str, error: Exception) -> None:
        """Stop recording; `what` is lost for good, as in SaveFailed."""
        if self._events_fd is not None:
            with contextlib.suppress(OSError):
                os.close(self._events_fd)
            self._events_fd = None
        self._waiting.clear()
        self._failure = SaveFailed(
            engine="", run_id=self.folder.name, what=what, path=str(self.folder), reason=reason(error)
        )
        self.problem = describe_save_failure(self._failure)


def _lock(fd: int) -> None:
    """Lock a record until this process ends, in whatever way; readers take the lock for a moment to see who writes."""
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_RETRY_SECONDS)
        except OSError:  # some network file systems have no locks
            return
        else:
            return
