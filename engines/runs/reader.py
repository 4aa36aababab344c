"""Read saved runs: their events, their summaries, and which of them can be resumed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import heapq
import itertools
import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from engines.config import ENGINES
from engines.messages.codec import ProtocolError, decode_event, type_prefix
from engines.messages.events import Event, LogLine, MachineUsage, RunFailed, TrainProgress, WorkerUsage
from engines.runs.annotations import read_annotations
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory
from engines.runs.phases import INTERRUPTED, RESUMABLE
from engines.runs.run_id import has_utc_prefix, start_time
from engines.runs.summary import engine_summary


def open_record(path: Path) -> TextIO:
    """Open a record for reading; opening a named pipe would block. Raises OSError."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError(errno.EINVAL, "not a file", str(path))
    return open(path, encoding="utf-8", errors="replace")


def read_events(path: Path) -> Iterator[Event]:
    """Read the events of a recording; lines that are cut short or of an unknown type are skipped. Raises OSError."""
    with open_record(path) as lines:
        for line in lines:
            try:
                yield decode_event(line)
            except ProtocolError:
                continue


def events_file(run: str, runs_dir: Path) -> Path:
    """Return the recording that `run` names: a file, a run's folder, a run id or the newest run whose id starts with it.

    Raises FileNotFoundError.
    """
    path = Path(os.path.expanduser(run))
    for candidate in (path, path / "events.jsonl"):
        if candidate.is_file():
            return candidate
    if run and "/" not in run and runs_dir.is_dir():
        recordings = (runs_dir / name / "events.jsonl" for name in _newest_first(runs_dir, run))
        if (newest := next(filter(os.path.isfile, recordings), None)) is not None:
            return newest
    raise FileNotFoundError(run)


def _newest_first(runs_dir: Path, prefix: str = "") -> Iterator[str]:
    """Return the names in the folder that start with `prefix`, newest run first. Raises OSError."""

    def key(name: str) -> tuple[float, str]:
        return run_start_time(runs_dir / name), name

    names = [name for name in os.listdir(runs_dir) if name.startswith(prefix)]
    by_name = sorted(filter(has_utc_prefix, names), reverse=True)
    by_record = sorted(itertools.filterfalse(has_utc_prefix, names), key=key, reverse=True)
    return heapq.merge(by_name, by_record, key=key, reverse=True)


def run_start_time(folder: Path) -> float:
    """Return when the run in a folder started, in seconds since 1970; 0 when unknown."""
    config = None if has_utc_prefix(folder.name) else read_json(folder / "config.json")
    return start_time(folder.name, (config or {}).get("created"))


def list_runs(runs_dir: Path) -> Iterator[dict[str, Any]]:
    """Yield every saved run, newest first: id, time, configs, summary by engine, resumable engines and annotations.

    An engine without a recorded end has the outcome "running" while a process writes the record, else "interrupted".
    The runs are read one by one, because callers often need only a few of thousands. Raises OSError.
    """
    if runs_dir.is_dir():
        for name in _newest_first(runs_dir):
            folder = runs_dir / name
            config = read_json(folder / "config.json")
            engines = config.get("engines") if config is not None else None
            if config is not None and isinstance(engines, dict) and all(isinstance(c, dict) for c in engines.values()):
                summary = read_json(folder / "summary.json") or _summary_so_far(folder, engines)
                more = {"resumable": _resumable(folder, summary), "about": read_annotations(folder)}
                run_id = {"id": name}  # last too: an "id" in the file must not make another folder be deleted
                yield {**run_id, **config, "summary": summary, **more, **run_id}


def _summary_so_far(folder: Path, engines: Collection[str]) -> dict[str, Any]:
    histories = read_summary(folder, engines)
    summary = {engine: engine_summary(history) for engine, history in histories.items()}
    if is_being_recorded(folder):
        for engine, history in histories.items():
            if history.ended_t is None:
                summary[engine]["outcome"] = "running"
    return summary


def read_summary(folder: Path, engines: Collection[str] = ENGINES) -> dict[str, RunHistory]:
    """Read a saved run's engines without curves, logs and usage, a tenth of the work, as far as the record can be read."""
    histories = {engine: RunHistory(engine) for engine in engines}
    with contextlib.suppress(OSError):
        for event in _events_for_summary(folder / "events.jsonl"):
            if event.engine in histories:
                histories[event.engine].apply(event)
    return histories


def _events_for_summary(path: Path) -> Iterator[Event]:
    """Yield the events of a recording that a summary needs; of the progress events, each engine's newest."""
    newest: dict[str, str] = {}
    with open_record(path) as lines:
        for line in lines:
            prefix, _, rest = line.partition(",")
            if prefix == _TRAIN_PROGRESS:
                newest[rest.partition(",")[0]] = line
            elif prefix not in _SKIPPED:
                with contextlib.suppress(ProtocolError):
                    yield decode_event(line)
    for line in newest.values():
        with contextlib.suppress(ProtocolError):
            yield decode_event(line)


_TRAIN_PROGRESS = type_prefix(TrainProgress)
_SKIPPED = frozenset(map(type_prefix, (LogLine, WorkerUsage, MachineUsage)))
"""Starts of the lines that a summary does not need: decoding them takes most of the time."""


def is_being_recorded(folder: Path) -> bool | None:
    """Return whether a living process, this one or another, writes the run's record; None where files have no locks."""
    try:
        with open_record(folder / "events.jsonl") as record:
            try:
                fcntl.flock(record, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            except OSError:
                return None
    except OSError:
        return False
    return False


def _resumable(folder: Path, summary: Mapping[str, Any]) -> list[str]:
    """Return the engines that ended early and left a checkpoint."""
    return [
        engine
        for engine in ENGINES
        if isinstance(its := summary.get(engine), dict)
        and its.get("outcome") in RESUMABLE
        and os.path.isfile(folder / f"{engine}.npz")
    ]


def read_run(folder: Path, recording: str = "events.jsonl") -> tuple[dict[str, RunHistory], MachineHistory]:
    """Read a saved run as it was at its end, with its engines in display order. Raises OSError.

    A run whose record has no end, and that no process writes any more, was interrupted.
    """
    histories: dict[str, RunHistory] = {}
    machine = MachineHistory()
    for event in read_events(folder / recording):
        if event.engine == "machine":
            machine.apply(event)
        elif event.engine in ENGINES:
            histories.setdefault(event.engine, RunHistory(event.engine)).apply(event)
    open_runs = [history for history in histories.values() if history.running]
    if open_runs and not is_being_recorded(folder):
        for history in open_runs:
            history.apply(interruption(history))
    return {engine: histories[engine] for engine in ENGINES if engine in histories}, machine


def interruption(history: RunHistory) -> RunFailed:
    """Return the end of a run whose record has none, and that no process writes any more."""
    message = "The record of this run breaks off here."
    return RunFailed(engine=history.engine, t=history.last_t, kind=INTERRUPTED, message=message)


def newest_run(runs_dir: Path) -> Path | None:
    """Return the folder of the newest run, also one that has only begun; None without any. Raises OSError."""
    folders = (runs_dir / name for name in _newest_first(runs_dir))
    return next((folder for folder in folders if (folder / "config.json").is_file()), None)


def next_run(folder: Path, seen: Collection[str] = ()) -> str:
    """Return the id of a run beside this one that continues it or is a seed of its series, but none of `seen`.

    The newest that a process still trains comes first, then the newest that began later; empty without any. Raises OSError.
    """
    config, started = read_json(folder / "config.json") or {}, run_start_time(folder)
    first, later = str(config.get("series") or folder.name), ""
    series_start = run_start_time(folder.parent / first)
    for name in _newest_first(folder.parent):
        other, start = folder.parent / name, run_start_time(folder.parent / name)
        if start < series_start:
            break
        if name == folder.name or name in seen:
            continue
        its = read_json(other / "config.json") or {}
        is_seed = name == first or its.get("series") == first
        if is_seed or (start > started and its.get("resumed") == folder.name):
            if is_being_recorded(other):
                return name
            later = later or name * (start > started)
    return later


def newest_checkpoint(runs_dir: Path | None, engine: str) -> str:
    """Return the path of an engine's checkpoint in the newest run that has one; empty when there is none."""
    try:
        names = _newest_first(runs_dir) if runs_dir is not None else iter(())
    except OSError:
        return ""
    paths = (os.path.join(runs_dir or "", name, f"{engine}.npz") for name in names)
    return next(filter(os.path.isfile, paths), "")  # os.path.isfile is False in a folder without permission


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object from a file; None where there is none."""
    if not os.path.isfile(path):  # opening a named pipe would block
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
