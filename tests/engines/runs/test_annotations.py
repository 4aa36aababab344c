"""Annotations, the trash, and pruning of saved runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.runs.annotations import (
    TRASH,
    empty_trash,
    move_to_trash,
    prunable_runs,
    read_annotations,
    restore_from_trash,
    size_bytes,
    write_annotations,
)
from engines.runs.reader import list_runs
from engines.runs.run_list import summarize
from tests.support.run_folders import make_run_folder


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three runs, named by their age: a, b and the newest, c."""
    for run_id in ("20260101-000000-a", "20260102-000000-b", "20260103-000000-c"):
        make_run_folder(tmp_path / "runs", run_id)
    return tmp_path / "runs"


def ids(runs: Path) -> list[str]:
    return [run["id"] for run in list_runs(runs)]


def test_names_notes_and_baselines_stay(runs: Path) -> None:
    folder = runs / "20260101-000000-a"
    write_annotations(folder, {"name": "first light"})
    write_annotations(folder, {"note": "x" * 1000, "baseline": True})
    run = summarize(next(run for run in list_runs(runs) if run["id"] == folder.name))
    assert (run.name, len(run.note), run.baseline) == ("first light", 200, True)
    (folder / "about.json").write_text("{broken")
    assert read_annotations(folder) == {}


def test_deleted_runs_stay_in_the_trash_until_it_is_emptied(runs: Path) -> None:
    folder = runs / "20260101-000000-a"
    assert size_bytes(folder) > 200
    assert move_to_trash(folder) == runs / TRASH / folder.name
    assert ids(runs) == ["20260103-000000-c", "20260102-000000-b"]
    make_run_folder(runs, "20260101-000000-a")
    move_to_trash(folder)
    assert len(list((runs / TRASH).iterdir())) == 2, "nothing in the trash is overwritten"
    assert empty_trash(runs) == 2
    assert empty_trash(runs) == 0


def test_a_deleted_run_comes_back_unless_another_has_its_folder(runs: Path) -> None:
    folder = runs / "20260101-000000-a"
    trashed = move_to_trash(folder)
    restore_from_trash(trashed, folder)
    assert ids(runs) == ["20260103-000000-c", "20260102-000000-b", "20260101-000000-a"]
    trashed = move_to_trash(folder)
    make_run_folder(runs, folder.name)
    with pytest.raises(FileExistsError):
        restore_from_trash(trashed, folder)
    assert trashed.is_dir()


def test_pruning_spares_the_newest_runs_and_those_with_a_name(runs: Path) -> None:
    write_annotations(runs / "20260101-000000-a", {"name": "precious"})
    assert prunable_runs(list(list_runs(runs)), 1) == ["20260102-000000-b"]
    assert prunable_runs(list(list_runs(runs)), 0) == ["20260103-000000-c", "20260102-000000-b"]
    assert prunable_runs(list(list_runs(runs)), 5) == []
