"""A run's folder: config.json, events.jsonl, summary.json, and whatever the workers put beside them.

Written line by line by the threads that drain the workers, not by the app's event loop. A record that can't be kept is never the
end of a run: events wait in memory until there is room again.
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
from engines.messages.events import TERMINAL_EVENTS, EpochCompleted, Event, Heartbeat, MachineUsage, SaveFailed
from engines.runs.history import RunHistory
from engines.runs.run_id import utc_prefix
from engines.runs.save_failures import save_failure
from engines.runs.summary import _summaries

SCHEMA = 1
"""Grows when an older reader could no longer understand a run."""
LOOKS, LOOK_SECONDS = 20, 0.005
"""How often others may be found looking at a new record, and how long one of them looks at most."""
MAX_WAITING_BYTES = 8 * 2**20
"""The most that waits for room on the disk: some ten minutes of training."""


def new_run_id(seed: int) -> str:
    """A name that sorts by time."""
    return f"{utc_prefix(datetime.now())}seed{seed}-{os.getpid() % 10_000:04d}"


class RunDirectory:
    """Keeps one run, of one or several engines."""

    def __init__(self, folder: Path, configs: Mapping[str, Any], *, series: str = "", resumed: str = "") -> None:
        """`series` is the id of the first run of several seeds; `resumed` the id of the run that this one goes on from."""
        self.folder = folder
        self.problem = ""
        """Why nothing (more) is kept, or not yet; empty when all is well."""
        self._failure: SaveFailed | None = None
        """What of it is lost for good."""
        self._reported_to: set[str] = set()
        """The engines in whose streams it was published."""
        self._lock = threading.Lock()
        self._histories = {engine: RunHistory(engine) for engine in configs}
        self._events: int | None = None
        """The descriptor of events.jsonl, unbuffered: whatever ends the app, what was written is on disk."""
        self._waiting = bytearray()
        """Lines, or the rest of one, that could not be written yet."""
        try:
            folder.mkdir(parents=True)
            self._write_whole(
                "config.json",
                {
                    "schema": SCHEMA,
                    "created": datetime.now().astimezone().isoformat(timespec="seconds"),
                    "series": series,
                    "resumed": resumed,
                    "engines": {engine: to_plain(config) for engine, config in configs.items()},
                },
            )
            self._events = os.open(
                folder / "events.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666
            )
            _lock(self._events)
        except OSError as error:
            self._give_up("run", error)

    @property
    def takes_files(self) -> bool:
        """Whether checkpoints and models can be put beside the record."""
        return (self._failure is None or self._failure.what != "run") and self.folder.is_dir()

    def append(self, event: Event) -> None:
        """Append one event; from any thread. The end of the last engine's run closes the recording with its summary."""
        if isinstance(event, Heartbeat):
            return
        with self._lock:
            if self._events is None:
                return
            try:
                if event.engine in self._histories:
                    self._histories[event.engine].apply(event)
                self._waiting += encode(event).encode() + b"\n"
                self._write_waiting()
                if isinstance(event, (EpochCompleted, MachineUsage, *TERMINAL_EVENTS)):
                    os.stat(self.folder / "events.jsonl")  # writing to a file that was deleted succeeds
                if isinstance(event, TERMINAL_EVENTS):
                    self._close_at_the_end()
            except Exception as error:  # a mistake of ours, too, ends the record and not the run
                self._give_up("record", error)

    def report_failure(self, engine: str, publish: Callable[[Event], None]) -> None:
        """Publish, once for each engine, what of the recording is lost for good."""
        if self._failure is not None and engine not in self._reported_to:
            self._reported_to.add(engine)
            publish(replace(self._failure, engine=engine, t=time.monotonic()))

    def copy_results(self, source: Path, engine: str) -> SaveFailed | None:
        """Copy the checkpoint and the model of an engine that had finished, from the run that this one goes on from."""
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
        """Do not wait for this engine's run: it was not begun, and will not be."""
        with self._lock:
            self._histories.pop(engine, None)
            try:
                self._close_at_the_end()
            except Exception as error:
                self._give_up("record", error)

    def _write_waiting(self, *, at_last: bool = False) -> None:
        """Write what waits, as far as there is room. Raises OSError when too much waits, or it is the last moment to do so."""
        assert self._events is not None
        try:
            while self._waiting:
                del self._waiting[: os.write(self._events, self._waiting)]
            self.problem = ""
        except OSError as error:
            if at_last or len(self._waiting) > MAX_WAITING_BYTES:
                raise
            self.problem = f"The record of this run waits: {reason(error)}, in {self.folder}."

    def _close_at_the_end(self) -> None:
        if self._events is None or any(history.ended_t is None for history in self._histories.values()):
            return
        self._write_waiting(at_last=True)
        events, self._events = self._events, None  # also where closing it fails: its number is somebody else's then
        os.close(events)
        try:
            self._write_whole("summary.json", _summaries(self._histories))
        except Exception as error:
            self._give_up("summary", error)

    def _write_whole(self, name: str, content: Any) -> None:
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        write_atomically(self.folder / name, lambda part: part.write_text(text, encoding="utf-8"))

    def _give_up(self, what: str, error: Exception) -> None:
        if self._events is not None:
            with contextlib.suppress(OSError):
                os.close(self._events)
            self._events = None
        self._waiting.clear()
        self._failure = SaveFailed(
            engine="", run_id=self.folder.name, what=what, path=str(self.folder), reason=reason(error)
        )
        self.problem = save_failure(self._failure)


def _lock(fd: int) -> None:
    """Until this process ends, however that ends; what only looks who writes a record has it for a moment."""
    for _ in range(LOOKS):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOOK_SECONDS)
        except OSError:  # some network file systems know no locks
            return
        else:
            return
