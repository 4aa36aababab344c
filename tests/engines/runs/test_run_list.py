"""The list of saved runs: filters and summaries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from engines.messages.events import LearningRateChanged
from engines.runs.annotations import TRASH, write_annotations
from engines.runs.reader import list_runs
from engines.runs.run_list import FilterError, RunSummary, parse_filter, summarize
from engines.runs.summary import engine_summary
from tests.support.ended_run import ended_run
from tests.support.run_folders import make_run_folder
from tui.cli import main
from tui.widgets.run_table import _texts


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Three runs, named by their age: a, b and the newest, c, which was interrupted and has a checkpoint."""
    make_run_folder(tmp_path / "runs", "20260101-000000-a", accuracy=0.9912)
    make_run_folder(tmp_path / "runs", "20260102-000000-b", accuracy=0.9843, preset="quick")
    make_run_folder(tmp_path / "runs", "20260103-000000-c", outcome="interrupted", seed=7)
    (tmp_path / "runs" / "20260103-000000-c" / "keras.npz").write_text("")
    return tmp_path / "runs"


def selected(runs: Path, text: str) -> str:
    """Return the last letters of the ids of the runs that the filter selects."""
    matches = parse_filter(text)
    return "".join(run.id[-1] for run in map(summarize, list_runs(runs)) if matches(run))


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", "cba"), ("preset:quick", "b"), ("acc>99", "a"), ("acc>=98 acc<99", "b"), ("state:interrupted", "c"), ("seed=7", "c"),
        ("state:resumable", "c"), ("QUICK", "b"), ("reference cpu", "ca"), ("nowhere", ""), ("seconds<100", ""),
        ("seconds<=100", "cba"), ("seconds>=100", "cba"), ("seconds<=99.9", ""), ("seconds>=100.1", ""), ("seconds:100", "cba"),
        ("seconds>100", ""), ("engine:keras", "cba"),
    ],
)  # fmt: skip
def test_a_filter_selects_runs(text: str, ids: str, runs: Path) -> None:
    assert selected(runs, text) == ids


@pytest.mark.parametrize(("began_cold", "start"), [
    ({"pytorch": True, "keras": False}, "cold"), ({"pytorch": False, "keras": True}, "warm"), ({}, ""), ({"pytorch": "yes"}, ""),
])  # fmt: skip
def test_the_time_of_a_run_is_cold_or_warm(
    began_cold: dict[str, object], start: str, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is that of the slowest engine, here PyTorch; older summaries don't say."""
    path = runs / "20260101-000000-a" / "summary.json"
    summary = json.loads(path.read_text())
    for engine, seconds in (("pytorch", 101.0), ("keras", 100.0)):
        summary[engine]["wall_seconds"] = seconds
        summary[engine] |= {"began_cold": began_cold[engine]} if engine in began_cold else {}
    path.write_text(json.dumps(summary))
    run = next(run for run in map(summarize, list_runs(runs)) if run.id == path.parent.name)
    assert (run.seconds, run.start) == (101.0, start)
    assert main.main(["runs", "--runs-dir", str(runs)]) == 0
    assert f"  {f'01:41 {start}'.strip()}\n" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["colour:red", "acc>much", "acc>99,5", "acc>nan", "preset>3"])
def test_a_filter_that_can_not_be_parsed_is_an_error(text: str) -> None:
    with pytest.raises(FilterError):
        parse_filter(text)


def two_engines(pytorch: dict[str, Any], keras: dict[str, Any]) -> RunSummary:
    """Return the row of a run of both engines with these results."""
    return summarize(
        {"id": "x", "engines": {"pytorch": {}, "keras": {}}, "summary": {"pytorch": pytorch, "keras": keras}}
    )


@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        ("completed", "failed", "failed"), ("failed", "stopped", "failed"), ("interrupted", "failed", "interrupted"),
        ("completed", "stopped", "stopped"), ("running", "failed", "running"), ("target-reached", "completed", "completed"),
        ("diverged", "stopped", "stopped"), ("completed", "running", "running"),
    ],
)  # fmt: skip
def test_a_run_has_the_worst_state_of_its_engines(first: str, second: str, state: str) -> None:
    for pair in ((first, second), (second, first)):
        row = two_engines(*({"outcome": outcome} for outcome in pair))
        assert row.state == state
        assert row.outcome == dict(zip(("pytorch", "keras"), pair, strict=True))


def test_a_run_takes_as_long_as_its_slowest_engine_and_is_as_good_as_its_best() -> None:
    row = two_engines(
        {"wall_seconds": 30.0, "test_accuracy": 0.98, "test_interval_95": [0.97, 0.985], "device": "cuda:0"},
        {"wall_seconds": 70.5, "test_accuracy": 0.97, "device": "cpu"},
    )
    assert (row.seconds, row.best, row.device) == (70.5, 0.98, "cuda:0 cpu")
    assert row.interval == {"pytorch": (0.97, 0.985), "keras": None}
    assert two_engines({"wall_seconds": None}, {"wall_seconds": 3}).seconds == 3.0
    assert two_engines({}, {}).seconds is None


def test_a_learning_rate_that_was_changed_by_hand_is_a_change() -> None:
    history = ended_run("keras", 0, 9_900)
    assert two_engines(engine_summary(history), {}).changes == ""
    history.apply(LearningRateChanged(engine="keras", global_step=7, before=1.0, after=0.5, requested_step=7))
    row = two_engines({}, engine_summary(history))
    assert row.changes == "learning rate by hand"
    assert row.preset_title.endswith(", changed")


@pytest.mark.parametrize(("accuracy", "percent"), [(0.9923, "99.23"), (0.9935, "99.35")])
@pytest.mark.parametrize("sign", [">=", "<=", "=", ":"])
def test_an_accuracy_meets_its_own_percentage(sign: str, accuracy: float, percent: str) -> None:
    """Floats make 100 * 0.9923 less than 99.23, and 100 * 0.9935 more than 99.35."""
    run = two_engines({"test_accuracy": accuracy}, {"test_accuracy": 0.9})
    assert parse_filter(f"acc{sign}{percent}")(run)


@given(st.text(max_size=40))
def test_any_text_is_a_filter_or_a_filter_error(text: str) -> None:
    run = RunSummary(
        "x", "", "completed", "mnist", "best", "cpu", {"keras": None}, {}, {}, None, None, None, "", "", False, ()
    )
    try:
        assert parse_filter(text)(run) in (True, False)
    except FilterError as error:
        assert str(error)


json_values = st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)


@given(
    st.dictionaries(st.sampled_from(["outcome", "test_accuracy", "wall_seconds", "device", "dataset"]), json_values),
    json_values,
)
def test_any_summary_is_listed(its: dict[str, Any], preset: Any) -> None:
    """Other versions and other programs may have written these files."""
    run = {"id": "x", "engines": {"keras": {"preset": preset}}, "summary": {"keras": its}, "about": {"name": preset}}
    assert summarize(run).state


def test_a_filter_selects_by_name(runs: Path) -> None:
    write_annotations(runs / "20260101-000000-a", {"name": "first light"})
    assert selected(runs, "name:light") == "a"


def test_the_command_line_lists_and_prunes(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--runs-dir", str(runs)]
    assert main.main(["runs", "--filter", "preset:quick", *place]) == 0
    assert capsys.readouterr().out.startswith("20260102-000000-b  pytorch completed 98.43 %")
    assert main.main(["runs", "--filter", "colour:red", *place]) == 2
    assert "preset:" in capsys.readouterr().err
    assert main.main(["runs", "--prune", "1", *place]) == 0
    assert "2 runs would be moved to the trash; --yes does it." in capsys.readouterr().out
    assert selected(runs, "") == "cba"
    assert main.main(["runs", "--prune", "1", "--yes", *place]) == 0
    assert selected(runs, "") == "c"
    assert main.main(["runs", "--empty-trash", *place]) == 0
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == f"2 runs in {runs / TRASH} would be deleted for good; --yes does it."
    )
    assert main.main(["runs", "--empty-trash", "--prune", "0", *place]) == 0
    assert "1 run would be moved to the trash, 3 runs in" in capsys.readouterr().out
    assert main.main(["runs", "--empty-trash", "--yes", *place]) == 0
    assert "2 runs deleted." in capsys.readouterr().out


def test_changes_to_the_preset_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run_folder(tmp_path, "20260102-000000-b", optimizer="sgd", learning_rate=0.05, dropout=0.0)
    (run,) = map(summarize, list_runs(tmp_path))
    assert (run.preset, run.changes) == ("reference", "optimizer sgd, dropout 0")
    assert main.main(["runs", "--filter", "preset:reference", "--runs-dir", str(tmp_path)]) == 0
    assert "(reference, changed: optimizer sgd, dropout 0)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("dataset", "name"), [("mnist", "MNIST"), ("drawn", "drawn digits"), ("custom", "custom digits")]
)
def test_the_digits_of_a_run_are_named(
    dataset: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run_folder(tmp_path, "20260102-000000-b")
    summary = (folder / "summary.json").read_text()
    (folder / "summary.json").write_text(summary.replace('"mnist"', f'"{dataset}"'))
    assert main.main(["runs", "--runs-dir", str(tmp_path)]) == 0
    assert f"  {name}  cpu" in capsys.readouterr().out
    (run,) = map(summarize, list_runs(tmp_path))
    assert _texts(run, None)["digits"] == name


@pytest.mark.parametrize("order", [("mnist", "drawn"), ("drawn", "mnist")])
def test_a_run_of_two_sets_of_digits_is_not_one_of_mnist(order: tuple[str, str]) -> None:
    """A download may fail for one of the workers."""
    summary = {engine: {"dataset": dataset} for engine, dataset in zip(("pytorch", "keras"), order, strict=True)}
    assert summarize({"id": "x", "engines": {engine: {} for engine in summary}, "summary": summary}).dataset == "drawn"


def test_a_changed_run_is_not_called_by_its_preset_alone(tmp_path: Path) -> None:
    """Its note, which names the changes, gives way where room is short."""
    make_run_folder(tmp_path, "20260102-000000-b", dropout=0.0)
    make_run_folder(tmp_path, "20260101-000000-a")
    changed, reference = (_texts(run, None) for run in map(summarize, list_runs(tmp_path)))
    assert (changed["preset"], reference["preset"]) == ("reference, changed", "reference")
    assert changed["note"] == "changed: dropout 0"
