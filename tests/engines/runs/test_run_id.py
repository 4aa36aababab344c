"""The start time of a run: the same in every time zone, in the hour that autumn has twice, and for ids in local time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, strategies as st

from engines.runs import directory
from engines.runs.annotations import prunable_runs
from engines.runs.directory import new_run_id
from engines.runs.reader import events_file, list_runs, newest_checkpoint, run_start_time
from engines.runs.run_id import has_utc_prefix, local_time, start_time
from engines.runs.run_list import summarize
from tests.support.pilot import on_runs
from tests.support.run_folders import make_run_folder
from tui.cli import main
from tui.screens.run_query import SORTS
from tui.widgets.run_table import start_text


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return a function that moves this process to another time zone."""

    def move(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Four runs, named by their age: a to d; the ids of b and c are in local time."""
    for name, created in {
        "20261025-001500-000Z-a": "2026-10-25T02:15:00+02:00",
        "20261025-023000-000-b": "2026-10-25T02:30:00+02:00",
        "20261025-021000-000-c": "2026-10-25T02:10:00+01:00",
        "20261025-012000-000Z-d": "2026-10-24T18:20:00-07:00",
    }.items():
        folder = make_run_folder(tmp_path / "runs", name)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, "created": created}))
        (folder / "keras.npz").write_text("")
    return tmp_path / "runs"


@pytest.mark.fault(
    "disk", "runs made in several time zones, and in the hour that autumn has twice: in the order they were made"
)
async def test_runs_are_listed_in_the_order_of_their_start(
    runs: Path, zone: Callable[[str], None], capsys: pytest.CaptureFixture[str]
) -> None:
    zone("Asia/Tokyo")
    kept = list(list_runs(runs))
    assert [run["id"][-1] for run in kept] == ["d", "c", "b", "a"]
    assert "".join(run.id[-1] for run in sorted(map(summarize, kept), key=SORTS["time"], reverse=True)) == "dcba"
    assert newest_checkpoint(runs, "keras") == str(runs / "20261025-012000-000Z-d" / "keras.npz")
    assert events_file("20261025-02", runs).parent.name[-1] == "c"
    assert [run[-1] for run in prunable_runs(kept, 1)] == ["c", "b", "a"]
    assert main.main(["runs", "--prune", "3", "--runs-dir", str(runs)]) == 0
    assert capsys.readouterr().out.startswith("20261025-001500-000Z-a")
    async with on_runs(runs) as (screen, _):
        assert [run.id[-1] for run in screen._table.runs] == ["d", "c", "b", "a"]


def test_a_list_shows_local_time(runs: Path, zone: Callable[[str], None], capsys: pytest.CaptureFixture[str]) -> None:
    zone("Asia/Tokyo")
    assert [start_text(summarize(run)) for run in list_runs(runs)] == [
        "10-25 10:20",
        "10-25 10:10",
        "10-25 09:30",
        "10-25 09:15",
    ]
    assert main.main(["runs", "--last", "1", "--runs-dir", str(runs)]) == 0
    assert "2026-10-25 10:20" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["UTC", "Pacific/Kiritimati", "Pacific/Niue"])
def test_a_new_id_holds_its_start_time_in_every_time_zone(place: str, zone: Callable[[str], None]) -> None:
    zone(place)
    before = time.time()
    run = new_run_id(7)
    zone("America/New_York")
    assert has_utc_prefix(run)
    assert int(before * 1000) / 1000 <= start_time(run, None) <= time.time()


def test_ids_sort_by_time_whatever_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    start = datetime(2026, 11, 25, 7, 16, 4, 990_000)
    moments = [start + timedelta(milliseconds=7 * i) for i in range(5)]
    ids = []
    for i, moment in enumerate(moments):
        monkeypatch.setattr(directory, "datetime", SimpleNamespace(now=lambda moment=moment: moment))
        ids.append(new_run_id(9 - i))
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_the_start_time_of_an_id_in_local_time(tmp_path: Path, zone: Callable[[str], None]) -> None:
    zone("Asia/Tokyo")
    noon = 1_767_236_400.0
    assert start_time("20260101-120000-000-seed0-1", "2026-01-01T12:00:00") == noon, "without a zone, local time"
    assert start_time("20260101-120000-000-seed0-1", "2026-01-01T03:00:00Z") == noon
    assert start_time("20250101-120000-000-seed0-1", "2026-01-01T04:00:00+01:00") == noon, "the record counts"
    assert start_time("20260101-030000-000Z-seed0-1", "2025-01-01T12:00:00+09:00") == noon, "the id counts"
    assert run_start_time(tmp_path / "20260101-120000-run") == noon
    assert run_start_time(tmp_path / "a-run") == 0


@given(
    st.text() | st.from_regex(r"\A\d{8}-\d{6}(-\d{3}Z?-)?"),
    st.text() | st.none() | st.integers() | st.datetimes(timezones=st.none() | st.timezones()).map(str),
)
def test_any_id_and_any_record_have_a_start_time(run: str, created: object) -> None:
    assert isinstance(start_time(run, created), float)
    assert isinstance(local_time(created), str)
