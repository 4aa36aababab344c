"""Foreign runs and checkpoints: whatever their files hold is listed, exported and resumed, or refused with a message."""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from engines.experiment.arrays import save_arrays
from engines.experiment.checkpoint import CheckpointError, read_filters, read_position
from engines.experiment.progress import Position
from engines.messages.codec import encode
from engines.messages.events import CheckpointSaved, EvalCompleted, Prediction, RunRequested, RunStarted, TrainProgress
from engines.runs.annotations import prunable_runs, write_annotations
from engines.runs.history import RunHistory
from engines.runs.reader import list_runs, newest_checkpoint, read_events
from engines.runs.resume import ResumeError, find_resume_points
from engines.runs.run_list import parse_filter, summarize
from engines.session.predictions import PredictionRequests
from engines.session.replay import DEMO, Replay
from engines.session.run_source import NO_WEIGHTS
from engines.supervision.registry import completion_marker
from engines.tools import setup
from engines.tools.source import read_source
from tests.faults.test_input import EVENT
from tests.support.engines import scripted_spec
from tests.support.pilot import on_runs, text_of, until
from tests.support.run_events import CONFIG, EVAL
from tests.support.run_folders import make_run_folder
from tui.app import MnistApp
from tui.charts.viewport import Viewport
from tui.cli import arguments, main
from tui.reports import export
from tui.screens.draw import DrawScreen
from tui.screens.run_query import SORTS
from tui.widgets.curves import x_extent
from tui.widgets.mistake_gallery import mistakes
from tui.widgets.run_table import _cells, _texts

DEEP = 100_000 * '{"a":'
HUGE = 10**400
LONG = 300 * "x"


def _replace_files(folder: Path, **files: str) -> Path:
    """Replace some of the JSON files of a run by these contents; return its folder."""
    for name, content in files.items():
        (folder / f"{name}.json").write_text(content, encoding="utf-8", errors="surrogatepass")
    return folder


# The small files beside a record

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([HUGE, LONG, "interrupted"]) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
_CONFIG = st.sampled_from(["preset", "seed", "epochs", "keras_backend"])
_SUMMARY = st.sampled_from(["outcome", "test_accuracy", "test_interval_95", "wall_seconds", "device", "dataset"])
_NAMES = st.sampled_from(["keras", "pytorch", "comparison", "../outside", LONG, "\0"])


@pytest.mark.fault("input", "a saved run's config, summary and about: any JSON (property)")
@example({"keras": {"seed": HUGE}}, {"keras": {"test_accuracy": HUGE, "wall_seconds": HUGE}}, {}, "")
@example({"keras": {}}, {"keras": {"test_accuracy": "x", "test_interval_95": 5}}, {"name": [1]}, "")
@example({"keras": {}}, {"keras": "x", LONG: {"outcome": "interrupted"}, "\0": {"outcome": "failed"}}, {}, 5)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(_NAMES, st.dictionaries(_CONFIG, _VALUES, max_size=4), max_size=3),
    _VALUES | st.dictionaries(_NAMES, _VALUES | st.dictionaries(_SUMMARY, _VALUES, max_size=4), max_size=3),
    _VALUES | st.dictionaries(st.sampled_from(["name", "note", "baseline", "else"]), _VALUES),
    _VALUES,
)
def test_any_files_of_a_run_are_listed(
    capsys: pytest.CaptureFixture[str], config: dict[str, Any], summary: Any, about: Any, created: Any
) -> None:
    with tempfile.TemporaryDirectory() as runs_dir:
        folder = _replace_files(
            make_run_folder(Path(runs_dir), "a-run"),
            config=json.dumps({"engines": config, "created": created}),
            summary=json.dumps(summary),
            about=json.dumps(about),
        )
        (run,) = list_runs(Path(runs_dir))
        row = summarize(run)
        assert row.id == "a-run"
        assert parse_filter("acc>1 seed=1 seconds<9 x")(row) in (True, False)
        assert all(sorted([row, row], key=key) for key in SORTS.values())
        assert _cells(row, _texts(row, 0.9), 0, defaultdict(lambda: "red"))
        assert isinstance(prunable_runs([run], 0), list)
        for form in ([], ["--json"]):
            assert main.main(["runs", *form, "--runs-dir", runs_dir]) == 0
            assert "a-run" in capsys.readouterr().out
        write_annotations(folder, {"name": "mine"})
        assert summarize(next(list_runs(Path(runs_dir)))).name == "mine"


@pytest.mark.fault("input", "a saved run's file is nested a hundred thousand deep: the other runs are listed")
@pytest.mark.parametrize("name", ["config", "summary", "about"])
async def test_a_deep_file_hides_no_other_run(name: str, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    deep = _replace_files(make_run_folder(runs, "20260102-000000-deep"), **{name: DEEP})
    make_run_folder(runs, "20260101-000000-sane")
    listed = [run["id"][16:] for run in list_runs(runs)]
    assert listed == (["sane"] if name == "config" else ["deep", "sane"])
    with pytest.raises(ResumeError):
        find_resume_points(deep, {})
    async with on_runs(runs) as (screen, _):
        assert [run.id[16:] for run in screen.runs] == listed


@pytest.mark.fault("input", "a pipe in place of a saved run's file: nothing waits for it")
@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["config", "summary", "about"])
def test_a_pipe_blocks_no_list(name: str, tmp_path: Path) -> None:
    path = make_run_folder(tmp_path, "20260102-000000-pipe") / f"{name}.json"
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    make_run_folder(tmp_path, "20260101-000000-sane")
    assert [run["id"][16:] for run in list_runs(tmp_path)] == (["sane"] if name == "config" else ["pipe", "sane"])


@pytest.mark.fault("input", "a folder of runs without read permission: refused with a message")
async def test_unreadable_runs_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    make_run_folder(runs, "a-run")
    listdir = os.listdir

    def refuse(path: Any = ".") -> list[str]:
        if Path(path) == runs:
            raise PermissionError(13, "Permission denied", str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)  # root, who may run the tests, can read everything
    for more in ([], ["--prune", "0", "--yes"]):
        assert main.main(["runs", *more, "--runs-dir", str(runs)]) == 1
        assert capsys.readouterr().err == f"mnist-tui: {runs}: Permission denied.\n"
    assert newest_checkpoint(runs, "keras") == ""
    async with on_runs(runs) as (screen, _):
        assert "Permission denied" in text_of(screen.app, "#status")  # type: ignore[arg-type]
        assert screen.runs == []


@pytest.mark.fault("input", "a folder without permission beside the runs (lost+found): it holds no checkpoint")
def test_a_closed_folder_hides_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a-run", "lost+found"):
        make_run_folder(tmp_path, name)
        (tmp_path / name / "keras.npz").write_text("")
    stat = os.stat

    def refuse(path: Any, *rest: Any, **more: Any) -> os.stat_result:
        if "lost+found" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *rest, **more)

    monkeypatch.setattr(os, "stat", refuse)
    assert newest_checkpoint(tmp_path, "keras") == str(tmp_path / "a-run" / "keras.npz")
    assert newest_checkpoint(tmp_path / "a-run" / "keras.npz", "keras") == ""


# Records

_STARTED = RunStarted(
    engine="keras", t=1.0, config=CONFIG, device="cpu", precision="fp32", num_threads=1, steps_per_epoch=0, total_steps=0
)  # fmt: skip
_STEP = TrainProgress(
    engine="keras", t=2.0, epoch=1, step=0, global_step=1, samples_seen=1, loss=0.1, accuracy=0.9, samples_per_sec=1.0,
    learning_rate=1.0,
)  # fmt: skip
_EVALUATION = EvalCompleted(engine="keras", t=3.0, epoch=1, global_step=1, accuracy=0.9, **EVAL)  # type: ignore[arg-type]
RECORDS = {
    "steps beyond any number": encode(_STEP).replace('"global_step":1', f'"global_step":{HUGE}'),
    "epochs of no steps": "\n".join(map(encode, (_STARTED, _STEP, _EVALUATION))),
    "more mistakes than digits": encode(
        replace(_EVALUATION, confusion=(1, *99 * [0]), mistakes=((1, 2, 3), (2, 3, 4)))
    ),
    "answers without digits": encode(replace(_EVALUATION, confusion=(-9,))),
    "an engine that is elsewhere": encode(_STEP).replace('"engine":"keras"', '"engine":"../../evil"'),
    "steps of the machine": encode(_STEP).replace('"engine":"keras"', '"engine":"machine"'),
}


def _write_record(runs: Path, record: str) -> Path:
    """Write a run with that record and no summary; return the path of the record."""
    folder = make_run_folder(runs, "a-run")
    (folder / "summary.json").unlink()
    path = folder / "events.jsonl"
    path.write_text("\n".join([encode(RunRequested(engine="keras", config=CONFIG)), record, ""]))
    return path


def _assert_usable(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Assert that a recorded run is listed, compared and exported in every format, or refused with a message."""
    runs, out_dir = path.parents[1], path.parents[2] / "exports"
    out_dir.mkdir()
    commands = [["runs"], ["runs", "--json"], ["compare", "a-run"]]
    commands += [["export", "a-run", "--to", form] for form in export.TEXTS]
    commands += [["export", "a-run", "--to", form, "--out", str(out_dir)] for form in export.FILES]
    for command in commands:
        code = main.main([*command, "--runs-dir", str(runs)])
        out, err = capsys.readouterr()
        assert (code, "--debug" in err) in ((0, False), (1, False)), (command, err)
        err = "".join(line for line in err.splitlines() if "breaks off before the end" not in line)
        assert bool(err) == (code == 1), (command, out)
    assert {path.name for path in out_dir.iterdir()} <= {"a-run-tensorboard"}
    folders = {f"{engine}-{split}" for engine in ("keras", "pytorch") for split in ("train", "validation", "test")}
    assert {path.name for path in out_dir.glob("*/*")} <= folders | {"twins"}


@pytest.mark.fault("input", "a record that no run can have: listed, compared, exported")
@pytest.mark.parametrize("what", RECORDS)
def test_an_impossible_record_is_usable(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _assert_usable(_write_record(tmp_path / "folder" / "runs", RECORDS[what]), capsys)
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.fault("input", "a record of any events in any order: listed, compared, exported (property)")
def test_any_record_is_usable(tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]) -> None:
    @settings(max_examples=15, deadline=None)
    @given(st.lists(EVENT, max_size=30))
    def anything(events: list[Any]) -> None:
        folder = tmp_path_factory.mktemp("folder")
        _assert_usable(_write_record(folder / "runs", "\n".join(map(encode, events))), capsys)

    anything()


@pytest.mark.fault("security", "a record whose engine is a path: nothing is exported outside the folder")
@pytest.mark.parametrize("engine", ["../../evil", "{}/evil"])
def test_an_engine_can_not_name_a_path(engine: str, tmp_path: Path) -> None:
    engine = engine.format(tmp_path)
    path = _write_record(tmp_path / "runs", encode(_STEP).replace('"engine":"keras"', f'"engine":"{engine}"'))
    out_dir = tmp_path / "deep" / "er"
    out_dir.mkdir(parents=True)
    assert main.main(["export", str(path), "--to", "tensorboard", "--out", str(out_dir)]) in (0, 1)
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.fault("security", "a record whose backend is a path: no file is read for it")
@pytest.mark.parametrize("backend", ["\0", "../../../x", LONG])
def test_a_backend_can_not_name_a_path(backend: str) -> None:
    with pytest.raises(FileNotFoundError, match="no backend"):
        read_source("keras", backend)


@pytest.mark.fault(
    "input", "a record of mistakes in digits that do not exist: the gallery and the drawing pad skip them"
)
def test_a_negative_index_is_no_digit() -> None:
    history = RunHistory("keras")
    history.apply(replace(_EVALUATION, mistakes=((-1, 2, 3), (5, 3, 4))))
    assert [one.index for one in mistakes({"keras": history})["keras"]] == [5]
    sheet: Any = SimpleNamespace(_set_image=lambda *_: pytest.fail("it is laid on the sheet"))
    DrawScreen._on_digits_loaded(sheet, (np.zeros((3, 28, 28)), np.zeros(3)), -1, "")


@pytest.mark.fault("input", "a worker whose clock runs away: the time axis has an end")
@pytest.mark.parametrize("t", [math.inf, 1.7e308, math.nan])
def test_the_time_axis_is_finite(t: float) -> None:
    history = RunHistory("keras")
    for event in (RunRequested(engine="keras", config=CONFIG), replace(_STEP, t=t)):
        history.apply(event)
    assert x_extent([history], Viewport(x_axis="time"))[0] == 0.0


@pytest.mark.fault("input", "a worker that answers with more or fewer than ten digits: no answer is shown")
@pytest.mark.parametrize("count", [0, 3, 11])
def test_a_prediction_has_ten_probabilities(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Replay([])
    history = source.histories["keras"] = RunHistory("keras")
    monkeypatch.setattr(source, "predict", lambda *_, **__: 1)
    requests = PredictionRequests(source)
    requests.request([0] * 784)
    prediction = Prediction(engine="keras", request_id=1, probabilities=(0.1,) * count, epoch=1, global_step=1)
    history.apply(prediction)
    assert requests.probabilities(history) == ()
    history.apply(replace(prediction, probabilities=(0.1,) * 10))
    assert len(requests.probabilities(history)) == 10


# Checkpoints


def _write_checkpoint(path: Path, position: Any, kernel: Any = None) -> Path:
    facts = np.array(json.dumps({"schema": 2, "position": position}))
    save_arrays({"facts": facts, "weights.conv1.kernel": np.zeros((3, 3, 1, 4)) if kernel is None else kernel}, path)
    return path


@pytest.mark.fault("input", "a checkpoint with an impossible position: refused with a message")
@pytest.mark.parametrize(
    "position", [{"epoch": "x"}, {"epoch": None}, {"step": 1.5}, {"epoch": HUGE}, {"loss_sum": []}, [], "", 1]
)
def test_a_position_is_made_of_numbers(position: Any, tmp_path: Path) -> None:
    run = make_run_folder(tmp_path, "a-run", outcome="interrupted")
    path = _write_checkpoint(run / "keras.npz", position)
    with pytest.raises(CheckpointError, match="is not a checkpoint of mnist-tui, or is damaged"):
        read_position(path)
    with pytest.raises(ResumeError):
        find_resume_points(run, {})
    assert read_position(_write_checkpoint(path, {"epoch": 2, "test_loss": 0.5})) == Position(epoch=2, test_loss=0.5)


@pytest.mark.fault("input", "filters of a checkpoint that is cut off, or of another model: refused with a message")
@pytest.mark.parametrize(
    "kernel", ["cut", np.zeros((5, 5, 1, 4)), np.zeros(()), np.full((3, 3, 1, 4), np.nan), np.array("x")]
)
def test_filters_of_another_model_are_refused(kernel: Any, tmp_path: Path) -> None:
    path = tmp_path / "keras.npz"
    if isinstance(kernel, str):
        _write_checkpoint(path, {"global_step": 1})
        path.write_bytes(path.read_bytes()[:-40])
    else:
        _write_checkpoint(path, {"global_step": 1}, kernel)
    with pytest.raises(ValueError, match=r"it is damaged|its first layer has"):
        read_filters(path)


@pytest.mark.fault("input", "a recording whose checkpoint has an impossible name: Results shows no filters")
async def test_a_checkpoint_that_does_not_exist() -> None:
    events = list(read_events(DEMO))
    hostile = [CheckpointSaved(engine=engine, t=events[-1].t, path="\0") for engine in ("pytorch", "keras")]
    app = MnistApp(session=Replay([*events, *hostile], speed=1e9))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: bool(app.screen.query("#verdict")))
        await pilot.press("shift+tab")
        await until(pilot, lambda: NO_WEIGHTS in text_of(app, "#filters-keras #heading"))


# On the command line


@pytest.mark.fault("input", "--resume of a run with a setting that can't be used: a message, and 2")
def test_a_bad_setting_of_a_saved_run_is_a_usage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(arguments, "specs", lambda _: [scripted_spec("keras")])
    run = make_run_folder(tmp_path / "runs", "a-run", outcome="interrupted", epochs=-1)
    assert main.main(["train", "--plain", "--resume", "a-run", "--runs-dir", str(run.parent)]) == 2
    assert capsys.readouterr().err == "mnist-tui: epochs must be at least 1.\n"


@pytest.mark.fault("input", "setup whose completion marker can't be removed: a message")
def test_a_completion_marker_that_stays_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    completion_marker("pytorch").mkdir(parents=True)
    with pytest.raises(setup.SetupError, match="could not be removed"):
        setup.build("pytorch", "cpu", lambda _: None)
    assert main.main(["setup", "--framework", "pytorch"]) == 1
    assert "could not be removed" in capsys.readouterr().err


@pytest.mark.fault("input", "a run that is named from its own folder: its exports have its name")
def test_a_run_named_from_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_run_folder(tmp_path, "a-run"))
    for path in ("events.jsonl", "./events.jsonl", "../a-run/events.jsonl"):
        assert export.run_name(Path(path)) == "a-run"
    for run in (".", "events.jsonl"):
        folder = arguments.resume_folder(argparse.Namespace(resume=run, runs_dir=None))
        assert folder is not None
        assert folder.name == "a-run"
    assert export.run_name(Path("other.jsonl")) == "other"
