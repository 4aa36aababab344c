"""Files that a run could not write: shown in the pane, in the closing lines and as JSON; the exit code is 1."""

from __future__ import annotations

import errno
import json
import os
import resource
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.api import RunRequest
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
from engines.runs import directory as directories
from engines.runs.directory import MAX_WAITING_BYTES, RunDirectory
from engines.runs.history import RunHistory
from engines.runs.reader import list_runs, read_events
from engines.runs.save_failures import describe_save_failures
from engines.session.replay import Replay
from tests.support.engines import SCRIPTED, Worked, scripted_spec
from tests.support.full_disk import files_end_at
from tests.support.pilot import notice_of, script, until
from tui.app import MnistApp
from tui.cli.train import train
from tui.reports.run_summary import closing_lines

TOO_LARGE, FULL = os.strerror(errno.EFBIG), os.strerror(errno.ENOSPC)


def history_of(events: list[Event]) -> RunHistory:
    """Return the history of PyTorch after these events."""
    history = RunHistory("pytorch")
    for event in events:
        history.apply(event)
    return history


def failed(what: str, run_id: str = "run") -> SaveFailed:
    """Return the event of a file that could not be written."""
    return SaveFailed(engine="pytorch", run_id=run_id, t=4.0, what=what, path=f"/runs/{run_id}", reason=FULL)


def test_a_later_success_clears_a_failure() -> None:
    """Only those of the same run and kind of file; the failures of an earlier run in a series stay."""
    history = history_of([failed("checkpoint", "first"), failed("checkpoint"), failed("model"), failed("summary")])
    history.apply(CheckpointSaved(engine="pytorch", run_id="run", path="/runs/run/pytorch.npz"))
    history.apply(ModelSaved(engine="pytorch", run_id="run", path="/runs/run/pytorch.pt"))
    assert describe_save_failures([history]) == [
        f"The checkpoint could not be saved: {FULL}, in /runs/first.",
        f"This run has no summary: {FULL}, in /runs/run.",
    ]
    assert [line.text for line in history.log][:1] == describe_save_failures([history])[:1], "the log has all of them"


def test_a_record_that_both_engines_share_is_reported_once() -> None:
    histories = [history_of([failed("record")]), history_of([failed("record")])]
    assert describe_save_failures(histories) == [f"The record of this run breaks off here: {FULL}, in /runs/run."]


@pytest.mark.fault("disk", "headless, no file may grow as large as a checkpoint or a model: each is named, exit code 1")
def test_a_lost_checkpoint_and_model_are_reported(small_mnist: Path, tmp_path: Path) -> None:
    """The record is smaller than the limit, and complete."""
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
    (run,) = list_runs(tmp_path / "runs")
    assert {its["outcome"] for its in run["summary"].values() if "outcome" in its} == {"completed"}
    folder = tmp_path / "runs" / run["id"]
    for what, file in (("checkpoint", "pytorch.npz"), ("checkpoint", "keras.npz"), ("model", "scripted.npy")):
        assert done.stderr.count(f"The {what} could not be saved: {TOO_LARGE}, in {folder / file}.") == 1
    events = [decode_event(line) for line in done.stdout.splitlines()]
    lost = {(event.engine, event.what) for event in events if isinstance(event, SaveFailed)}
    assert lost == {(engine, what) for engine in ("pytorch", "keras") for what in ("checkpoint", "model")}


@pytest.mark.framework
@pytest.mark.fault("disk", "a full disk, in each framework's own format: the system's words, not those of its writer")
@pytest.mark.parametrize("engine", ["pytorch", "keras"])
@pytest.mark.linux("prlimit")
def test_a_framework_reports_a_full_disk_in_plain_words(
    engine: str, warm: Callable[[str], Worked], small_mnist: Path, tmp_path: Path
) -> None:
    worker = warm(engine)
    pid, (_, hard) = worker.supervisor.pid, resource.getrlimit(resource.RLIMIT_FSIZE)
    assert pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (60_000, hard))
    try:
        worker.start(from_settings({"epochs": 1, "data_dir": str(small_mnist)}), "run", str(tmp_path / "run"))
        worker.wait_for(RunFinished)
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert [(lost.what, lost.reason) for lost in worker.of(SaveFailed)] == [
        ("checkpoint", TOO_LARGE),
        ("model", TOO_LARGE),
    ]


@pytest.mark.fault(
    "disk", "headless, a folder for runs that is a file: it is reported as JSON too, and the exit code is 1"
)
def test_a_run_without_a_folder_is_reported(
    small_mnist: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs").write_text("in the way")
    request = RunRequest(settings={"epochs": 1, "data_dir": str(small_mnist)})
    assert train([scripted_spec()], request, str(tmp_path / "runs"), json_lines=True, bars=False) == 1
    out, err = capfd.readouterr()
    assert err.startswith("This run is not kept, nor are its checkpoints and models: ")
    events = [decode_event(line) for line in out.splitlines()]
    assert [event.what for event in events if isinstance(event, SaveFailed)] == ["run"]
    assert violations(events) == []


def test_the_closing_lines_name_lost_files() -> None:
    replay = Replay([RunRequested(engine="pytorch", run_id="run", seq=3, t=3.0, config=TrainConfig()), failed("model")])
    replay.seek(9.0)
    replay.drain()
    assert closing_lines(replay)[-1] == f"The model could not be saved: {FULL}, in /runs/run."


@pytest.mark.fault("disk", "the disk is full in mid-run and freed again: nothing is lost in the end")
@pytest.mark.linux("prlimit")
def test_nothing_is_lost_on_a_disk_that_is_freed_again(
    work: Callable[[], Worked], small_mnist: Path, tmp_path: Path
) -> None:
    worker = work()
    worker.start(
        from_settings({"epochs": 1000, "batch_size": 64, "data_dir": str(small_mnist)}), "run", str(tmp_path / "run")
    )
    worker.wait_for(CheckpointSaved)
    pid, (_, hard) = worker.supervisor.pid, resource.getrlimit(resource.RLIMIT_FSIZE)
    assert pid
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    worker.wait_for(SaveFailed)
    assert history_of(worker.events).unsaved
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    worker.wait_for(CheckpointSaved)
    worker.supervisor.send(Stop())
    worker.wait_for(RunFinished)
    worker.finish()
    assert not history_of(worker.events).unsaved


# The record


def steps_of(steps: range) -> list[Event]:
    """Return the progress events of these steps."""
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


def append_all(directory: RunDirectory, events: list[Event]) -> list[Event]:
    """Append the events to the record; return the failures that it publishes."""
    published: list[Event] = []
    for event in events:
        directory.append(event)
        directory.report_failure(event.engine, published.append)
    return published


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    """Return a record of four steps."""
    record = RunDirectory(tmp_path / "run", {"pytorch": TrainConfig()})
    assert not append_all(record, steps_of(range(1, 5)))
    return record


@pytest.mark.fault("disk", "the record's disk is full and freed again: its events wait, and it is whole")
def test_a_record_waits_for_space_on_the_disk(directory: RunDirectory) -> None:
    path = directory.folder / "events.jsonl"
    with files_end_at(path.stat().st_size + 100):
        assert not append_all(directory, steps_of(range(5, 50)))
        assert directory.problem == f"The record of this run waits: {TOO_LARGE}, in {directory.folder}."
    assert not append_all(directory, [*steps_of(range(50, 60)), END])
    assert directory.problem == ""
    assert list(read_events(path)) == [*steps_of(range(1, 60)), END]
    assert (directory.folder / "summary.json").is_file()


@pytest.mark.fault(
    "disk", "the record's disk is full until the end of the run, or too much waits: that is reported once"
)
@pytest.mark.parametrize(
    "events", [[*steps_of(range(5, 50)), END], steps_of(range(5, 50))], ids=["at the end", "too much"]
)
def test_a_record_that_breaks_off_is_reported_once(
    events: list[Event], directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MAX_WAITING_BYTES > 1_000_000
    if END not in events:
        monkeypatch.setattr(directories, "MAX_WAITING_BYTES", 5000)
    with files_end_at((directory.folder / "events.jsonl").stat().st_size + 100):
        (failure,) = append_all(directory, events)
    assert isinstance(failure, SaveFailed)
    assert (failure.engine, failure.run_id, failure.what, failure.reason) == ("pytorch", "run", "record", TOO_LARGE)
    assert directory.problem == describe_save_failures([history_of([failure])])[0]
    assert directory.accepts_files, "the disk may have space for a checkpoint later"


def test_a_lost_summary_is_no_lost_record(directory: RunDirectory) -> None:
    (directory.folder / "summary.json").mkdir()
    (failure,) = append_all(directory, [END])
    assert isinstance(failure, SaveFailed)
    assert failure.what == "summary"
    assert list(read_events(directory.folder / "events.jsonl")) == [*steps_of(range(1, 5)), END]


# The pane


async def test_the_pane_names_lost_files() -> None:
    start: list[Event] = [
        WorkerSpawned(engine="pytorch", seq=1, t=1.0, pid=1, interpreter="python"),
        WorkerReady(
            engine="pytorch", seq=2, t=2.0, pid=1, framework="F 1", version="1", devices=(), num_threads=1, import_seconds=1.0
        ),
        RunRequested(engine="pytorch", run_id="run", seq=3, t=3.0, config=TrainConfig()),
    ]  # fmt: skip
    lost = failed("checkpoint")
    app = MnistApp(session=Replay([*start, lost], speed=1e9))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: f"The checkpoint could not be saved: {FULL}" in notice_of(app, "pytorch"))
        assert "w tries again" in notice_of(app, "pytorch")


def test_json_and_record_hold_the_same_event() -> None:
    line = json.dumps({"type": "SaveFailed", "engine": "pytorch", "what": "model", "path": "/x", "reason": FULL})
    assert decode_event(line) == SaveFailed(engine="pytorch", what="model", path="/x", reason=FULL)
