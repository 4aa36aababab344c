"""Kept runs: listed, chosen by words, named, thrown away, pruned."""

from __future__ import annotations

import fcntl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from engines.api import FilterError, RunSummary, encode, list_runs, parse_filter, plural, read_run, summarize
from engines.config import TrainConfig
from engines.messages.events import RunFailed, RunFinished
from engines.runs.annotations import TRASH, empty_trash, move_to_trash, read_about, size_bytes, to_prune, write_about
from engines.runs.directory import RunDirectory
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory
from engines.runs.summary import summary
from tests.support.life import life
from tests.support.run_folders import keep
from tui.cli import main
from tui.reports.card import report
from tui.reports.run_summary import summary_line


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    keep(tmp_path / "runs", "20260101-000000-a", accuracy=0.9912)
    keep(tmp_path / "runs", "20260102-000000-b", accuracy=0.9843, preset="quick")
    keep(tmp_path / "runs", "20260103-000000-c", outcome="interrupted", seed=7)
    (tmp_path / "runs" / "20260103-000000-c" / "keras.npz").write_text("")
    return tmp_path / "runs"


def found(runs: Path, words: str) -> str:
    chosen = parse_filter(words)
    return "".join(run.id[-1] for run in map(summarize, list_runs(runs)) if chosen(run))


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("", "cba"), ("preset:quick", "b"), ("acc>99", "a"), ("acc>=98 acc<99", "b"), ("state:interrupted", "c"), ("seed=7", "c"),
        ("state:resumable", "c"), ("QUICK", "b"), ("reference cpu", "ca"), ("nowhere", ""), ("seconds<50", ""),
        ("engine:keras", "cba"),
    ],
)  # fmt: skip
def test_words_choose_runs(words: str, ids: str, runs: Path) -> None:
    assert found(runs, words) == ids


@pytest.mark.parametrize("words", ["colour:red", "acc>much", "acc>99,5", "acc>nan", "preset>3"])
def test_words_that_choose_nothing_say_what_would(words: str) -> None:
    with pytest.raises(FilterError):
        parse_filter(words)


@given(st.text(max_size=40))
def test_any_words_are_a_filter_or_a_filter_error(words: str) -> None:
    run = RunSummary(
        "x", "", "completed", "mnist", "best", "cpu", {"keras": None}, {}, {}, None, None, None, "", "", False, ()
    )
    try:
        assert parse_filter(words)(run) in (True, False)
    except FilterError as error:
        assert str(error)


json_values = st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)


@given(
    st.dictionaries(st.sampled_from(["outcome", "test_accuracy", "wall_seconds", "device", "dataset"]), json_values),
    json_values,
)
def test_any_summary_is_listed(its: dict[str, Any], preset: Any) -> None:
    """Other versions, and other people, write these files."""
    run = {"id": "x", "engines": {"keras": {"preset": preset}}, "summary": {"keras": its}, "about": {"name": preset}}
    assert summarize(run).state


def test_names_notes_and_baselines_stay(runs: Path) -> None:
    folder = runs / "20260101-000000-a"
    write_about(folder, {"name": "first light"})
    write_about(folder, {"note": "x" * 1000, "baseline": True})
    said = summarize(next(run for run in list_runs(runs) if run["id"] == folder.name))
    assert (said.name, len(said.note), said.baseline) == ("first light", 200, True)
    assert found(runs, "name:light") == "a"
    (folder / "about.json").write_text("{broken")
    assert read_about(folder) == {}


def test_what_is_thrown_away_lies_in_the_trash_until_that_is_emptied(runs: Path) -> None:
    folder = runs / "20260101-000000-a"
    assert size_bytes(folder) > 200
    assert move_to_trash(folder) == runs / TRASH / folder.name
    assert found(runs, "") == "cb"
    keep(runs, "20260101-000000-a")
    move_to_trash(folder)
    assert len(list((runs / TRASH).iterdir())) == 2, "nothing is written over, in the trash neither"
    assert empty_trash(runs) == 2
    assert empty_trash(runs) == 0


def test_pruning_keeps_the_newest_and_what_has_a_name(runs: Path) -> None:
    write_about(runs / "20260101-000000-a", {"name": "keep me"})
    assert to_prune(list(list_runs(runs)), 1) == ["20260102-000000-b"]
    assert to_prune(list(list_runs(runs)), 0) == ["20260103-000000-c", "20260102-000000-b"]
    assert to_prune(list(list_runs(runs)), 5) == []


def test_the_command_line_lists_and_prunes(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--runs-dir", str(runs)]
    assert main.main(["runs", "--filter", "preset:quick", *place]) == 0
    assert capsys.readouterr().out.startswith("20260102-000000-b  pytorch completed 98.43 %")
    assert main.main(["runs", "--filter", "colour:red", *place]) == 2
    assert "preset:" in capsys.readouterr().err
    assert main.main(["runs", "--prune", "1", *place]) == 0
    assert "2 runs would be thrown away; --yes does it." in capsys.readouterr().out
    assert found(runs, "") == "cba"
    assert main.main(["runs", "--prune", "1", "--yes", *place]) == 0
    assert found(runs, "") == "c"
    assert main.main(["runs", "--empty-trash", *place]) == 0
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == f"2 runs in {runs / TRASH} would be deleted for good; --yes does it."
    )
    assert main.main(["runs", "--empty-trash", "--prune", "0", *place]) == 0
    assert "1 run would be thrown away, 3 runs in" in capsys.readouterr().out
    assert main.main(["runs", "--empty-trash", "--yes", *place]) == 0
    assert "2 runs deleted." in capsys.readouterr().out


def test_what_was_changed_beside_the_preset_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(tmp_path, "20260102-000000-b", optimizer="sgd", learning_rate=0.05, dropout=0.0)
    (run,) = map(summarize, list_runs(tmp_path))
    assert (run.preset, run.changes) == ("reference", "optimizer sgd, dropout 0")
    assert main.main(["runs", "--filter", "preset:reference", "--runs-dir", str(tmp_path)]) == 0
    assert "(reference, changed: optimizer sgd, dropout 0)" in capsys.readouterr().out


def test_a_new_run_is_locked_even_while_others_look_at_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is made at that very moment looks who writes the record: the run is "running" for all later ones."""
    honest, refused = fcntl.flock, list[int]()

    def flock(fd: int, how: int) -> None:
        if how & fcntl.LOCK_EX and len(refused) < 3:
            refused.append(fd)
            raise BlockingIOError
        honest(fd, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    RunDirectory(tmp_path / "20260101-000000-a", {"keras": TrainConfig()})
    assert len(refused) == 3
    (found,) = list_runs(tmp_path)
    assert found["summary"]["keras"]["outcome"] == "running"


@pytest.mark.parametrize("end", ["told to end", "no end at all"])
def test_a_run_that_was_cut_off_is_interrupted_wherever_it_is_shown(end: str, tmp_path: Path) -> None:
    """In the list, in its history and on its card; as long as somebody writes its record, it is running."""
    keep(tmp_path, "20260101-000000-a")
    folder = tmp_path / "20260101-000000-a"
    (folder / "summary.json").unlink()
    told = (
        [RunFailed(engine="keras", t=9.0, run_id="r", kind="interrupted", message="m")] if end == "told to end" else []
    )
    with open(folder / "events.jsonl", "w", encoding="utf-8") as record:
        record.writelines(encode(event) + "\n" for event in [*life()[:9], *told])
        fcntl.flock(record, fcntl.LOCK_EX)
        record.flush()
        if not told:
            assert read_run(folder)[0]["keras"].running
    histories, machine = read_run(folder)
    (found,) = list_runs(tmp_path)
    card = report(histories, machine)
    assert card is not None
    epochs = next(row.values for _, rows in card.groups for row in rows if row.label == "epochs")
    assert (
        found["summary"]["keras"]["outcome"] == histories["keras"].phase == histories["keras"].outcome == "interrupted"
    )
    assert epochs == ("0 of 2, interrupted",)
    assert card.verdict != "still training"


def test_wall_time_of_a_kept_run_includes_the_import_that_its_old_record_left_out() -> None:
    history = RunHistory("keras")
    for event in life():
        history.apply(replace(event, wall_seconds=7.1) if isinstance(event, RunFinished) else event)
    assert summary(history)["wall_seconds"] == history.wall_seconds(99.0) == 30.0
    assert "wall 30.0 s" in summary_line(history)


@pytest.mark.parametrize(("import_first", "said", "on_card"), [
    (False, "wall 30.0 s (import included)", "2.50 s, in the wall time"),
    (True, "wall 30.0 s (in a warm worker)", "2.50 s, before the run"),
])  # fmt: skip
def test_a_cold_start_and_a_warm_one_are_told_apart(import_first: bool, said: str, on_card: str) -> None:
    """Of two seeds in one series only the first waits for the import."""
    history, events = RunHistory("keras"), life()
    if import_first:
        events[:3] = [
            replace(event, t=t) for event, t in zip((*events[1:3], events[0]), (-9.0, -8.0, 0.0), strict=True)
        ]
    for event in events:
        history.apply(event)
    assert said in summary_line(history)
    assert summary(history)["began_cold"] is not import_first
    card = report({"keras": history}, MachineHistory())
    assert card is not None
    times = {row.label: row.values for _, rows in card.groups for row in rows}
    assert times["import"] == (on_card,)
    assert times["wall, since asked for"] == ("30.0 s",)


@pytest.mark.parametrize(("count", "text"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), (1234, "1,234 runs")])
def test_a_count_agrees_with_its_noun(count: int, text: str) -> None:
    assert plural(count, "run") == text
