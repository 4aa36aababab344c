"""A run's folder: config.json, events.jsonl, summary.json, and whatever the workers put beside them.

Written line by line by the threads that drain the workers, not by the app's event loop. A record that can't be kept is never the
end of a run: events wait in memory until there is room again.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import itertools
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from engines.atomic_file import write_whole
from engines.config import ENGINES
from engines.errors import reason
from engines.messages.codec import ProtocolError, decode_event, encode, to_plain
from engines.messages.events import TERMINAL, EpochCompleted, Event, Heartbeat, MachineUsage, RunFailed, SaveFailed
from engines.runs.annotations import read_about
from engines.runs.comparison import badge, verdict
from engines.runs.history import FAILED, INTERRUPTED, STOPPED, RunHistory
from engines.runs.machine_history import MachineHistory
from engines.runs.run_id import began, is_utc, utc_prefix
from engines.runs.save_failures import save_failure

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

    def keep(self, event: Event) -> None:
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
                if isinstance(event, (EpochCompleted, MachineUsage, *TERMINAL)):
                    os.stat(self.folder / "events.jsonl")  # writing to a file that was deleted succeeds
                if isinstance(event, TERMINAL):
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
                write_whole(self.folder / file.name, partial(shutil.copyfile, file))
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

    def expect_no_more(self, engine: str) -> None:
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
        write_whole(self.folder / name, lambda part: part.write_text(text, encoding="utf-8"))

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


def _summaries(histories: Mapping[str, RunHistory]) -> dict[str, Any]:
    said = verdict(histories)
    shared = {"times": badge(histories) or "comparable", "verdict": to_plain(said) if said else None}
    return {**{engine: summary(h) for engine, h in histories.items()}, "comparison": shared}


def summary(history: RunHistory) -> dict[str, Any]:
    """What is worth knowing of a run that ended, as plain JSON values."""
    finished = history.finished
    plain = {
        "outcome": history.outcome or INTERRUPTED,
        "framework": history.framework,
        "device": history.started.device if history.started else "",
        "dataset": history.data.dataset if history.data else "",
        "dataset_sha256": history.data.sha256 if history.data else "",
        "test_accuracy": history.test_accuracy,
        "test_loss": history.test_loss,
        "epochs": history.epochs_done,
        "test_interval_95": history.test_interval,
        "global_step": history.global_step,
        "train_seconds": finished.train_seconds if finished else history.epoch_seconds,
        "wall_seconds": history.wall_seconds(history.last_t) if finished else None,
        "began_cold": history.began_cold,
        "import_seconds": history.worker.import_seconds if history.worker else None,
        "data_seconds": history.data.seconds if history.data else None,
        "build_seconds": history.model.seconds if history.model else None,
        "first_step_seconds": history.first_step_seconds,
        "reached": {
            f"{m.accuracy:.4g}": {
                "wall_seconds": m.wall_seconds,
                "train_seconds": m.train_seconds,
                "epoch": m.epoch,
                "global_step": m.global_step,
            }
            for m in history.milestones
        },
        "failure": history.failure.message if history.failure else "",
    }
    return dict(to_plain(plain))


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
            kind, _, rest = line.partition(",")
            if kind == '{"type":"TrainProgress"':
                newest[rest.partition(",")[0]] = line
            elif kind not in _PASSED_OVER:
                with contextlib.suppress(ProtocolError):
                    yield decode_event(line)
    for line in newest.values():
        with contextlib.suppress(ProtocolError):
            yield decode_event(line)


_PASSED_OVER = frozenset(f'{{"type":"{kind}"' for kind in ("LogLine", "WorkerUsage", "MachineUsage"))


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


def read_filters(path: Path) -> tuple[Any, int]:
    """The first layer's kernels (3, 3, 1, n) in a checkpoint, and after how many steps. Raises OSError, and ValueError when
    it is none."""
    import numpy as np

    try:
        with np.load(path, allow_pickle=False) as archive:  # reads no more than these two
            steps = int(json.loads(str(archive["facts"]))["position"]["global_step"])
            kernel = np.asarray(archive["weights.conv1.kernel"], np.float32)
    except OSError:
        raise
    except Exception as error:  # zipfile's and zlib's own errors say that it is damaged, in many ways
        raise ValueError("it is damaged, or no checkpoint of mnist-tui") from error
    if kernel.shape[:3] != (3, 3, 1) or kernel.ndim != 4 or not kernel.size or not np.isfinite(kernel).all():
        raise ValueError("its first layer is another one, or holds what is no number")
    return kernel, steps


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
