"""Watching a run of another process from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.session.watch import Watch
from tests.support.run_folders import make_run_folder
from tui.app import MnistApp
from tui.cli import main


def test_a_run_is_named_by_its_id_the_start_of_it_its_folder_or_last(opened: list[MnistApp], tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    make_run_folder(runs, "20260101-120000-000Z-seed0-1")
    newest = make_run_folder(runs, "20260102-120000-000Z-seed0-2")
    begun = make_run_folder(runs, "20260103-120000-000Z-seed0-3")
    (begun / "events.jsonl").unlink()  # as in the first moment of a run
    place = ["--runs-dir", str(runs)]
    for words in ([newest.name], ["20260102"], [str(newest)], ["--last"], [begun.name]):
        assert main.main(["watch", *words, *place]) == 0
    sessions = [app.session for app in opened]
    assert [session.folder("keras") for session in sessions if isinstance(session, Watch)] == [newest] * 3 + [begun] * 2


def test_a_folder_in_place_of_the_record_is_refused(
    opened: list[MnistApp], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = make_run_folder(tmp_path / "runs", "20260101-120000-000Z-seed0-1") / "events.jsonl"
    record.unlink()
    record.mkdir()
    assert main.main(["watch", str(record.parent)]) == 2
    assert capsys.readouterr().err == f"mnist-tui: {record} is not a file, so it holds no record.\n"
    assert opened == []


@pytest.mark.parametrize(
    ("words", "complaint"),
    [([], "--last"), (["x", "--last"], "--last"), (["x"], "mnist-tui runs"), (["--last"], "no run in")],
)
def test_a_run_that_is_not_there_is_bad_usage(
    opened: list[MnistApp], words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["watch", *words]) == 2
    assert complaint in capsys.readouterr().err
