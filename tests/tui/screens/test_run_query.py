from __future__ import annotations

from pathlib import Path

import pytest

from engines.api import RunSummary, list_runs, summarize
from tests.support.run_folders import make_run_folder
from tui.screens import run_query
from tui.screens.run_query import SORTS, RunQuery


@pytest.fixture
def runs(tmp_path: Path) -> list[RunSummary]:
    for number in range(4):
        make_run_folder(tmp_path, f"2026010{number + 1}-000000-run{number}", accuracy=0.99 - number / 1000)
    return [*map(summarize, list_runs(tmp_path))]


def test_a_query_filters_and_sorts(runs: list[RunSummary], monkeypatch: pytest.MonkeyPatch) -> None:
    query = RunQuery()
    query.apply(runs)
    assert [run.id[-1] for run in query.rows] == ["3", "2", "1", "0"]
    query.sort_by_next()
    query.text = "acc>98.75"
    query.apply(runs)
    assert (query.sort, [run.id[-1] for run in query.rows]) == ("accuracy", ["0", "1", "2"])
    monkeypatch.setattr(run_query, "MAX_ROWS", 2)
    query.apply(runs)
    assert (query.match_count, len(query.rows)) == (3, 2)


def test_an_invalid_filter_leaves_the_rows(runs: list[RunSummary]) -> None:
    query = RunQuery()
    query.apply(runs)
    query.text = "colour:red"
    query.apply(runs)
    assert "colour:red" in query.problem
    assert len(query.rows) == 4


def test_sort_orders_cycle() -> None:
    query, names = RunQuery(), []
    for _ in range(len(SORTS) + 1):
        names.append(query.sort)
        query.sort_by_next()
    assert names == [*SORTS, "time"]
