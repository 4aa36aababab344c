"""The seeds of a series among the saved runs."""

from __future__ import annotations

import json
from pathlib import Path

from engines.runs.seeds import SeedResults
from engines.runs.stored_seeds import read_seed_results
from tests.support.run_folders import make_seed_folders


def test_a_series_is_found_by_any_of_its_runs(tmp_path: Path) -> None:
    folders = make_seed_folders(tmp_path, {7: (9910, 9905), 8: (9920, 9921), 9: (9915, 9900)})
    other = make_seed_folders(tmp_path, {7: (9000, 9000), 8: (9000, 9000)}, start="20260102")
    found = [read_seed_results(folder) for folder in folders]
    assert found[0] is not None
    assert found == [found[0]] * 3
    assert (found[0].first_seed, found[0].seeds, found[0].ended) == (7, 3, 6)
    assert [run.run_id for run in found[0].runs.values()] == [folder.name for folder in folders]
    assert [result.correct for result in found[0].results["keras"]] == [9905, 9921, 9900]
    second = read_seed_results(other[1])
    assert second is not None
    assert second.ended == 4


def test_a_single_run_is_no_series(tmp_path: Path) -> None:
    (folder,) = make_seed_folders(tmp_path, {0: (9900, 9900)})
    assert read_seed_results(folder) is None
    for config in ("", "[]", "{}", '{"engines": 1}', '{"engines": {"keras": {"seeds": "six"}}}'):
        (folder / "config.json").write_text(config)
        assert read_seed_results(folder) is None


def test_a_seed_without_a_record_is_left_out(tmp_path: Path) -> None:
    folders = make_seed_folders(tmp_path, {0: (9900, 9900), 1: (9900, 9900), 2: (9900, 9900)})
    (folders[1] / "events.jsonl").unlink()
    config = json.loads((folders[2] / "config.json").read_text())
    assert config["series"] == folders[0].name
    found = read_seed_results(folders[2])
    assert isinstance(found, SeedResults)
    assert list(found.runs) == [0, 2]
