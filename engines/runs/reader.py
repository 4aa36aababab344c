"""Read kept runs: their events, their summaries, and which of them can be resumed."""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import itertools
import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from engines.config import ENGINES
from engines.messages.codec import ProtocolError, decode_event, type_prefix
from engines.messages.events import Event, LogLine, MachineUsage, RunFailed, TrainProgress, WorkerUsage
from engines.runs.annotations import read_about
from engines.runs.history import FAILED, INTERRUPTED, STOPPED, RunHistory
from engines.runs.machine_history import MachineHistory
from engines.runs.run_id import began, is_utc
from engines.runs.summary import summary


def read_events(path: Path) -> Iterator[Event]:
    """The events in a recording; lines that are cut short or from the future are passed over. Raises OSError."""
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                yield decode_event(line)
            except ProtocolError:
                continue


def events_file(run: str, runs_dir: Path) -> Path:
    """The recording that `run` names: a file, a run's folder, or the (beginning of the) name of a kept run.

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
    """The names in the folder that begin with `prefix`, by when their runs began. Raises OSError."""

    def key(name: str) -> tuple[float, str]:
        return run_began(runs_dir / name), name

    names = [name for name in os.listdir(runs_dir) if name.startswith(prefix)]
    by_name = sorted(filter(is_utc, names), reverse=True)
    by_record = sorted(itertools.filterfalse(is_utc, names), key=key, reverse=True)
    return heapq.merge(by_name, by_record, key=key, reverse=True)


def run_began(folder: Path) -> float:
    """When the run of that folder began, in seconds since 1970; 0 when nothing tells."""
    config = None if is_utc(folder.name) else _read_json(folder / "config.json")
    return began(folder.name, (config or {}).get("created"))


def list_runs(runs_dir: Path) -> Iterator[dict[str, Any]]:
    """Every kept run, newest first: its id, when, its configs, the summary of each engine, who can go on, and what people say.

    The outcome of an engine whose end was not recorded is "running" while somebody writes the record, and "interrupted" after that.
    Read one by one as they are asked for: of ten thousand runs, few are ever looked at. Raises OSError.
    """
    if runs_dir.is_dir():
        for name in _newest_first(runs_dir):
            folder = runs_dir / name
            config = _read_json(folder / "config.json")
            engines = config.get("engines") if config is not None else None
            if config is not None and isinstance(engines, dict) and all(isinstance(c, dict) for c in engines.values()):
                found = _read_json(folder / "summary.json") or _summary_so_far(folder, engines)
                more = {"resumable": _resumable(folder, found), "about": read_about(folder)}
                own = {"id": name}  # last, too: a file that says otherwise would have another folder thrown away
                yield {**own, **config, "summary": found, **more, **own}


def _summary_so_far(folder: Path, engines: Collection[str]) -> dict[str, Any]:
    histories = {engine: RunHistory(engine) for engine in engines}
    with contextlib.suppress(OSError):
        for event in _milestones(folder / "events.jsonl"):
            if event.engine in histories:
                histories[event.engine].apply(event)
    found = {engine: summary(history) for engine, history in histories.items()}
    if _is_written(folder):
        for engine, history in histories.items():
            if history.ended_t is None:
                found[engine]["outcome"] = "running"
    return found


def _milestones(path: Path) -> Iterator[Event]:
    """The events of a recording, of the many that tell of steps, lines and usage only the newest."""
    newest: dict[str, str] = {}
    with open(path, encoding="utf-8", errors="replace") as lines:
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


def _is_written(folder: Path) -> bool:
    """Whether a living process, here or elsewhere, keeps this run's record."""
    try:
        with open(folder / "events.jsonl", encoding="utf-8") as record:
            fcntl.flock(record, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _resumable(folder: Path, found: Mapping[str, Any]) -> list[str]:
    """The engines that ended early and left a checkpoint."""
    early = (INTERRUPTED, STOPPED, FAILED)
    return [
        engine
        for engine in ENGINES
        if isinstance(its := found.get(engine), dict)
        and its.get("outcome") in early
        and os.path.isfile(folder / f"{engine}.npz")
    ]


def read_run(folder: Path, recording: str = "events.jsonl") -> tuple[dict[str, RunHistory], MachineHistory]:
    """Read a kept run as it was in the end, its engines in the order in which they are shown. Raises OSError.

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
    if open_runs and not _is_written(folder):
        for history in open_runs:
            cut_off = "The record of this run breaks off here."
            history.apply(RunFailed(engine=history.engine, t=history.last_t, kind=INTERRUPTED, message=cut_off))
    return {engine: histories[engine] for engine in ENGINES if engine in histories}, machine


def newest_checkpoint(runs_dir: Path | None, engine: str) -> str:
    """The path of the newest run's checkpoint that the engine wrote; empty when there is none."""
    try:
        names = _newest_first(runs_dir) if runs_dir is not None else iter(())
    except OSError:
        return ""
    written = (os.path.join(runs_dir or "", name, f"{engine}.npz") for name in names)
    return next(filter(os.path.isfile, written), "")  # which says no of a folder that nobody may look into


def _read_json(path: Path) -> dict[str, Any] | None:
    if not os.path.isfile(path):  # a pipe of that name would be waited for
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None
