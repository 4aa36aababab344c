"""Saved runs that are still running, or were interrupted."""

from __future__ import annotations

import builtins
import contextlib
import fcntl
import io
import os
from pathlib import Path
from typing import Any

import pytest

from engines.config import TrainConfig
from engines.messages.codec import encode
from engines.messages.events import RunFailed
from engines.runs.directory import RunDirectory
from engines.runs.reader import list_runs, read_run
from engines.runs.record_tail import RecordTail
from engines.runs.resume import ResumeError, find_resume_points
from tests.support.run_events import life
from tests.support.run_folders import make_run_folder
from tui.cli import main
from tui.reports.card import report


@pytest.mark.parametrize("name", ["events.jsonl", "config.json"])
def test_a_named_pipe_is_no_record_and_blocks_no_reader(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run_folder(tmp_path, "a-run")
    (folder / "summary.json").unlink()
    (folder / name).unlink()
    os.mkfifo(folder / name)
    opened = builtins.open

    def open_no_pipe(path: Any, *more: Any, **named: Any) -> Any:
        assert isinstance(path, int) or not Path(path).is_fifo(), "this blocks"
        return opened(path, *more, **named)

    monkeypatch.setattr(builtins, "open", open_no_pipe)
    monkeypatch.setattr(io, "open", open_no_pipe)
    place = ["--runs-dir", str(tmp_path)]
    commands = (["runs"], ["runs", "--json"], ["stop", "--no-wait", "a-run"], ["train", "--resume", str(folder)])
    assert [main.main([*words, *place]) for words in commands][:2] == [0, 0]
    with contextlib.suppress(OSError):
        RecordTail(folder / "events.jsonl").read()
    with pytest.raises(ResumeError, match=r"holds no run|Nothing is left to do"):
        find_resume_points(folder, {})


def test_a_new_record_is_locked_although_readers_test_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is made at this very moment holds the lock briefly; later ones must see the run as running."""
    real_flock, refused = fcntl.flock, list[int]()

    def flock(fd: int, operation: int) -> None:
        if operation & fcntl.LOCK_EX and len(refused) < 3:
            refused.append(fd)
            raise BlockingIOError
        real_flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    RunDirectory(tmp_path / "20260101-000000-a", {"keras": TrainConfig()})
    assert len(refused) == 3
    (run,) = list_runs(tmp_path)
    assert run["summary"]["keras"]["outcome"] == "running"


@pytest.mark.parametrize("end", ["interrupted by a signal", "no end at all"])
def test_a_run_that_was_cut_off_is_interrupted_wherever_it_is_shown(end: str, tmp_path: Path) -> None:
    """In the list, in its history and on its card; while a process writes its record, it is running."""
    folder = make_run_folder(tmp_path, "20260101-000000-a")
    (folder / "summary.json").unlink()
    failures = (
        [RunFailed(engine="keras", t=9.0, run_id="r", kind="interrupted", message="m")]
        if end == "interrupted by a signal"
        else []
    )
    with open(folder / "events.jsonl", "w", encoding="utf-8") as record:
        record.writelines(encode(event) + "\n" for event in [*life()[:9], *failures])
        fcntl.flock(record, fcntl.LOCK_EX)
        record.flush()
        if not failures:
            assert read_run(folder)[0]["keras"].running
    histories, machine = read_run(folder)
    (run,) = list_runs(tmp_path)
    card = report(histories, machine)
    assert card is not None
    epochs = next(row.values for _, rows in card.groups for row in rows if row.label == "epochs")
    assert run["summary"]["keras"]["outcome"] == "interrupted"
    assert histories["keras"].phase == histories["keras"].outcome == "interrupted"
    assert epochs == ("0 of 2, interrupted",)
    assert card.verdict != "still training"
