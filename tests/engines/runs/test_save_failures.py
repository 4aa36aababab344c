"""What a run should leave on disk and does not: told in the pane, in the closing lines and as JSON, and exit code 1."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.config import TrainConfig
from engines.messages.codec import decode_event
from engines.messages.commands import Stop
from engines.messages.events import (
    CheckpointSaved,
    Event,
    ModelSaved,
    RunFinished,
    RunRequested,
    SaveFailed,
    TrainProgress,
    WorkerReady,
    WorkerSpawned,
)
from engines.messages.grammar import violations
from engines.preset_configs import from_settings
from engines.runs.directory import MAX_WAITING_BYTES, RunDirectory
from engines.runs.history import RunHistory
from engines.runs.reader import list_runs, read_events
from engines.runs.save_failures import save_failures
from engines.session.replay import Replay
from tests.support.engines import SCRIPTED, Worked, scripted_spec
from tests.support.full_disk import files_end_at
from tests.support.pilot import script, text_of
from tui.app import MnistApp
from tui.cli.train import train
from tui.reports.run_summary import closing_lines

TOO_LARGE, FULL = os.strerror(errno.EFBIG), os.strerror(errno.ENOSPC)


def folded(events: list[Event]) -> RunHistory:
    """One engine's history."""
    history = RunHistory("pytorch")
    for event in events:
        history.apply(event)
    return history


def failed(what: str, run_id: str = "run") -> SaveFailed:
    """A file that could not be written."""
    return SaveFailed(engine="pytorch", run_id=run_id, t=4.0, what=what, path=f"/runs/{run_id}", reason=FULL)


def test_a_later_success_makes_a_failure_good() -> None:
    """Of the same run and the same kind of file; what an earlier run of a series lacks stays."""
    history = folded([failed("checkpoint", "first"), failed("checkpoint"), failed("model"), failed("summary")])
    history.apply(CheckpointSaved(engine="pytorch", run_id="run", path="/runs/run/pytorch.npz"))
    history.apply(ModelSaved(engine="pytorch", run_id="run", path="/runs/run/pytorch.pt"))
    assert save_failures([history]) == [
        f"The checkpoint could not be saved: {FULL}, in /runs/first.",
        f"This run has no summary: {FULL}, in /runs/run.",
    ]
    assert [line.text for line in history.log][:1] == save_failures([history])[:1], "the log has all of them"


def test_a_record_that_both_engines_share_is_told_once() -> None:
    histories = [folded([failed("record")]), folded([failed("record")])]
    assert save_failures(histories) == [f"The record of this run breaks off here: {FULL}, in /runs/run."]


@pytest.mark.fault("disk", "headless, no file may grow as large as a checkpoint or a model: each is named, exit code 1")
def test_a_lost_checkpoint_and_model_are_told(small_mnist: Path, tmp_path: Path) -> None:
    """The record is smaller than the limit, and whole."""
    command = script("--json", "--epochs", "1", "--data-dir", str(small_mnist), "--runs-dir", str(tmp_path / "runs"))
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(SCRIPTED.parents[2])},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY)),
    )
    assert done.returncode == 1
    (kept,) = list_runs(tmp_path / "runs")
    assert {its["outcome"] for its in kept["summary"].values() if "outcome" in its} == {"completed"}
    folder = tmp_path / "runs" / kept["id"]
    for what, file in (("checkpoint", "pytorch.npz"), ("checkpoint", "keras.npz"), ("model", "scripted.npy")):
        assert done.stderr.count(f"The {what} could not be saved: {TOO_LARGE}, in {folder / file}.") == 1
    events = [decode_event(line) for line in done.stdout.splitlines()]
    lost = {(event.engine, event.what) for event in events if isinstance(event, SaveFailed)}
    assert lost == {(engine, what) for engine in ("pytorch", "keras") for what in ("checkpoint", "model")}


@pytest.mark.fault(
    "disk", "headless, a folder for runs that is a file: it is told as JSON, too, and the exit code is 1"
)
def test_a_run_that_is_not_kept_at_all(small_mnist: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "runs").write_text("in the way")
    settings = {"epochs": 1, "data_dir": str(small_mnist)}
    assert train([scripted_spec()], settings, str(tmp_path / "runs"), json_lines=True, bars=False) == 1
    out, err = capfd.readouterr()
    assert err.startswith("This run is not kept, nor are its checkpoints and models: ")
    events = [decode_event(line) for line in out.splitlines()]
    assert [event.what for event in events if isinstance(event, SaveFailed)] == ["run"]
    assert violations(events) == []


def test_the_closing_lines_name_what_is_lost() -> None:
    shown = Replay([RunRequested(engine="pytorch", run_id="run", seq=3, t=3.0, config=TrainConfig()), failed("model")])
    shown.seek(9.0)
    shown.drain()
    assert closing_lines(shown)[-1] == f"The model could not be saved: {FULL}, in /runs/run."  # type: ignore[arg-type]


@pytest.mark.fault("disk", "the disk is full in mid-run and freed again: nothing is lost in the end")
def test_a_disk_that_is_freed_again(work: Callable[[], Worked], small_mnist: Path, tmp_path: Path) -> None:
    worker = work()
    worker.start(
        from_settings({"epochs": 1000, "batch_size": 64, "data_dir": str(small_mnist)}), "run", str(tmp_path / "run")
    )
    worker.wait_for(CheckpointSaved)
    pid, (_, hard) = worker.supervisor.pid, resource.getrlimit(resource.RLIMIT_FSIZE)
    assert pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    worker.wait_for(SaveFailed)
    assert folded(worker.events).unsaved
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    worker.wait_for(CheckpointSaved)
    worker.supervisor.send(Stop())
    worker.wait_for(RunFinished)
    worker.finish()
    assert not folded(worker.events).unsaved


# The record


def told(steps: range) -> list[Event]:
    """What a worker says of its steps."""
    return [
        TrainProgress(
            engine="pytorch", run_id="run", seq=step, t=step, epoch=1, step=step, global_step=step, samples_seen=step,
            loss=1.0, accuracy=0.5, samples_per_sec=1.0, learning_rate=1.0,
        )
        for step in steps
    ]  # fmt: skip


END = RunFinished(
    engine="pytorch", run_id="run", seq=999, t=999.0, outcome="completed", test_accuracy=None, test_loss=None,
    best_epoch=None, train_seconds=1.0, wall_seconds=1.0,
)  # fmt: skip


def keep(directory: RunDirectory, events: list[Event]) -> list[Event]:
    """Keep them; returns what is published because of that."""
    published: list[Event] = []
    for event in events:
        directory.append(event)
        directory.report_failure(event.engine, published.append)
    return published


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """A record that has begun."""
    made = RunDirectory(tmp_path / "run", {"pytorch": TrainConfig()})
    assert not keep(made, told(range(1, 5)))
    return made


@pytest.mark.fault("disk", "the record's disk is full and freed again: its events wait, and it is whole")
def test_a_record_waits_for_room(directory: RunDirectory) -> None:
    path = directory.folder / "events.jsonl"
    with files_end_at(path.stat().st_size + 100):
        assert not keep(directory, told(range(5, 50)))
        assert directory.problem == f"The record of this run waits: {TOO_LARGE}, in {directory.folder}."
    assert not keep(directory, [*told(range(50, 60)), END])
    assert directory.problem == ""
    assert list(read_events(path)) == [*told(range(1, 60)), END]
    assert (directory.folder / "summary.json").is_file()


@pytest.mark.fault("disk", "the record's disk is full until the end of the run, or too much waits: that is told once")
@pytest.mark.parametrize("events", [[*told(range(5, 50)), END], told(range(5, 50))], ids=["at the end", "too much"])
def test_a_record_that_breaks_off(
    events: list[Event], directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_WAITING_BYTES > 1_000_000
    if END not in events:
        monkeypatch.setattr("engines.runs.directory.MAX_WAITING_BYTES", 5000)
    with files_end_at((directory.folder / "events.jsonl").stat().st_size + 100):
        (failure,) = keep(directory, events)
    assert isinstance(failure, SaveFailed)
    assert (failure.engine, failure.run_id, failure.what, failure.reason) == ("pytorch", "run", "record", TOO_LARGE)
    assert directory.problem == save_failures([folded([failure])])[0]
    assert directory.takes_files, "a checkpoint may still find room"


def test_a_summary_that_can_not_be_written_is_no_lost_record(directory: RunDirectory) -> None:
    (directory.folder / "summary.json").mkdir()
    (failure,) = keep(directory, [END])
    assert isinstance(failure, SaveFailed)
    assert failure.what == "summary"
    assert list(read_events(directory.folder / "events.jsonl")) == [*told(range(1, 5)), END]


# The pane


async def test_the_pane_names_what_is_not_saved() -> None:
    begin: list[Event] = [
        WorkerSpawned(engine="pytorch", seq=1, t=1.0, pid=1, interpreter="python"),
        WorkerReady(
            engine="pytorch", seq=2, t=2.0, pid=1, framework="F 1", version="1", devices=(), num_threads=1, import_seconds=1.0
        ),
        RunRequested(engine="pytorch", run_id="run", seq=3, t=3.0, config=TrainConfig()),
    ]  # fmt: skip
    lost = failed("checkpoint")
    app = MnistApp(session=Replay([*begin, lost], speed=1e9))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause(0.2)
        notice = text_of(app, "#panel-pytorch #notice")
        assert f"The checkpoint could not be saved: {FULL}" in notice
        assert "w tries again" in notice


def test_json_has_the_event_as_the_record_has_it() -> None:
    line = json.dumps({"type": "SaveFailed", "engine": "pytorch", "what": "model", "path": "/x", "reason": FULL})
    assert decode_event(line) == SaveFailed(engine="pytorch", what="model", path="/x", reason=FULL)
