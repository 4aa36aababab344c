"""Exports of a saved run, each read back by the tool that it is for."""

from __future__ import annotations

import csv
import json
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from engines.config import ENGINES, TrainConfig
from engines.experiment.arrays import load_arrays, save_arrays
from engines.experiment.checkpoint import SCHEMA
from engines.experiment.recipe import initial_weights
from engines.exports.tables import rows as table_rows
from engines.exports.tensorboard import write_tensorboard
from engines.messages.commands import Predict
from engines.messages.events import EvalCompleted, Prediction, RunFinished, RunRequested, TrainProgress, TwinsCompared
from engines.runs.reader import read_events
from engines.session.replay import DEMO
from tests.support.engines import Worked
from tests.support.run_events import validated_life
from tui.charts import svg
from tui.cli import main
from tui.reports import export


def export_demo(*arguments: str) -> int:
    """Run `mnist-tui export` on the demo; return the exit code."""
    return main.main(["export", str(DEMO), *arguments])


def test_csv_and_json_hold_every_figure(capsys: pytest.CaptureFixture[str]) -> None:
    assert export_demo() == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert export_demo("--to", "json") == 0
    objects = json.loads(capsys.readouterr().out)
    events = [event for event in read_events(DEMO) if isinstance(event, TrainProgress | EvalCompleted)]
    assert len(rows) == len(objects) == len(events) > 500
    assert [float(row["loss"]) for row in rows] == [event.loss for event in events] == [o["loss"] for o in objects]
    assert {row["split"] for row in rows} == {"train", "test"}
    assert 0 < float(rows[0]["t"]) < 60, "seconds since the run was requested"
    assert {row["began_cold"] for row in rows} == {"False"}
    assert {row["began_cold"] for row in objects} == {False}


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_needs_no_network_and_no_script(tmp_path: Path) -> None:
    assert export_demo("--to", "html", "--out", str(tmp_path / "page.html")) == 0
    text = (tmp_path / "page.html").read_text()
    page = _Page()
    page.feed(text)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("svg") == 2
    assert tags.count("circle") == 8, "two evaluations of two engines in two charts"
    assert not {"script", "link", "img", "iframe"} & set(tags)
    assert not re.search(r"https?://|url\(|@import", text)
    assert "98.29 %" in text
    assert "statistical tie" in text


def test_markdown_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert export_demo("--to", "markdown") == 0
    assert "| test accuracy | 98.29 % | 98.28 % |" in capsys.readouterr().out


def test_no_file_is_overwritten_without_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.csv").write_text("mine")
    assert export_demo("--out", str(tmp_path / "mine.csv")) == 1
    assert "--force" in capsys.readouterr().err
    assert (tmp_path / "mine.csv").read_text() == "mine"
    assert export_demo("--out", str(tmp_path / "mine.csv"), "--force") == 0
    assert (tmp_path / "mine.csv").read_text().startswith("engine,")
    assert export_demo("--out", str(tmp_path / "nowhere" / "x.csv")) == 1
    assert capsys.readouterr().err == f"mnist-tui: There is no folder {tmp_path}/nowhere: make it first.\n"


@pytest.mark.parametrize("form", export.TEXTS)
@pytest.mark.parametrize("lines", [0, 12, None], ids=["no events", "cut off", "whole"])
def test_a_damaged_record_is_reported_in_every_format(
    form: str, lines: int | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No event that can be read fails; a record that breaks off is exported with a warning."""
    path = tmp_path / "events.jsonl"
    kept = DEMO.read_text(encoding="utf-8").splitlines(keepends=True)[:lines]
    path.write_text("".join(kept) + '\0rubbish\n{"type":"TrainProg', encoding="utf-8")
    assert main.main(["export", str(path), "--to", form]) == (1 if lines == 0 else 0)
    out, err = capsys.readouterr()
    assert bool(out) == (lines != 0)
    expected = {0: f"{path} holds no run.", 12: f"The record {path} breaks off before the end of its run."}
    assert err == (f"mnist-tui: {expected[lines]}\n" if lines is not None else "")


@pytest.mark.parametrize("form", ["csv", "html"])
def test_a_text_never_replaces_a_folder(form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "thesis.txt").write_text("mine")
    for force in ([], ["--force"]):
        assert export_demo("--to", form, "--out", str(tmp_path / "home"), *force) == 1
        assert capsys.readouterr().err == f"mnist-tui: {tmp_path}/home is a folder; name a file in it.\n"
    assert (tmp_path / "home" / "thesis.txt").read_text() == "mine"


def test_a_folder_is_replaced_only_if_an_export_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(events: object, created: float, folder: Path) -> None:
        (folder / "keras-test").mkdir(parents=True)
        (folder / "keras-test" / "events.out.tfevents.1.host.2.0").write_text("new")

    monkeypatch.setattr(export, "write_tensorboard", write)
    again = ("--to", "tensorboard", "--out", str(tmp_path), "--force")
    folder = tmp_path / "demo-tensorboard"
    assert export_demo(*again) == 0
    (folder / "keras-test" / "events.out.tfevents.1.host.2.0").write_text("old")
    assert export_demo(*again) == 0
    assert (folder / "keras-test" / "events.out.tfevents.1.host.2.0").read_text() == "new"
    for mine in (folder / "notes.md", folder / "keras-test" / "notes.md"):
        mine.write_text("mine")
        assert export_demo(*again) == 1
        assert "move it away" in capsys.readouterr().err
        assert mine.read_text() == "mine"
        mine.unlink()
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    assert export_demo(*again) == 1
    assert (tmp_path / "elsewhere" / "keras-test").is_dir()


def test_tensorboard_reads_every_figure(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert export_demo("--to", "tensorboard", "--out", str(tmp_path)) == 0
    for engine in ENGINES:
        for split, kind in (("train", TrainProgress), ("test", EvalCompleted)):
            read = EventAccumulator(str(tmp_path / "demo-tensorboard" / f"{engine}-{split}"), {"scalars": 0})
            read.Reload()
            events = [event for event in read_events(DEMO) if isinstance(event, kind) and event.engine == engine]
            for tag in ("loss", "accuracy"):
                scalars = read.Scalars(tag)
                assert [scalar.step for scalar in scalars] == [event.global_step for event in events]
                figures = [getattr(event, tag) for event in events]
                assert np.allclose([scalar.value for scalar in scalars], figures, rtol=1e-6)
                walls = np.diff([scalar.wall_time for scalar in scalars])
                assert np.allclose(walls, np.diff([event.t for event in events]), atol=1e-3)


def test_each_row_names_the_digits_of_its_engine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A download may fail for one of the workers."""
    text = DEMO.read_text(encoding="utf-8")
    keras = next(line for line in text.splitlines() if '"DataReady","engine":"keras"' in line)
    (tmp_path / "events.jsonl").write_text(text.replace(keras, keras.replace('"mnist"', '"custom"')), encoding="utf-8")
    assert main.main(["export", str(tmp_path)]) == 0
    rows = csv.DictReader(capsys.readouterr().out.splitlines())
    assert {(row["engine"], row["dataset"]) for row in rows} == {("pytorch", "mnist"), ("keras", "custom")}


def test_exported_models_name_the_digits_they_were_trained_on(tmp_path: Path) -> None:
    import onnx
    from safetensors import safe_open

    text = DEMO.read_text(encoding="utf-8").replace('"dataset":"mnist"', '"dataset":"custom"')
    (tmp_path / "events.jsonl").write_text(text, encoding="utf-8")
    for engine in ENGINES:
        shutil.copy(DEMO.with_name(f"{engine}.npz"), tmp_path)
    onnx_file, _ = export.write_files("onnx", tmp_path / "events.jsonl", tmp_path / "out", force=False)
    model = onnx.load(onnx_file)
    assert model.graph.name == "convnet"
    assert {each.key: each.value for each in model.metadata_props} == {
        "digits": "custom digits", "weights": "epoch 2, the last",
    }  # fmt: skip
    _, safe_file = export.write_files("safetensors", tmp_path / "events.jsonl", tmp_path / "out", force=False)
    with safe_open(safe_file, "numpy") as weights:
        assert weights.metadata()["digits"] == "custom digits"


@pytest.mark.parametrize(("validation", "judge"), [(5_000, "5,000 held-out digits"), (0, "the test digits")])
def test_the_best_epoch_is_exported_beside_the_last_one(validation: int, judge: str, tmp_path: Path) -> None:
    import onnx
    from safetensors import safe_open
    from safetensors.numpy import load_file

    (tmp_path / "events.jsonl").write_text("")
    for name, seed, position in (("keras", 0, {"epoch": 13}), ("keras.best", 1, {"epoch": 7, "step": 469})):
        facts = {"schema": SCHEMA, "position": position, "validation": validation}
        weights = {f"weights.{name}": value for name, value in initial_weights(seed).items()}
        save_arrays({"facts": np.array(json.dumps(facts)), **weights}, tmp_path / f"{name}.npz")
    recording, out = tmp_path / "events.jsonl", tmp_path / "out"
    last, best = export.write_files("safetensors", recording, out, force=False)
    assert [path.name for path in (last, best)] == [
        f"{tmp_path.name}-keras.safetensors", f"{tmp_path.name}-keras-best.safetensors",
    ]  # fmt: skip
    for path, seed, moment in ((last, 0, "epoch 12, the last"), (best, 1, f"epoch 7, the best on {judge}")):
        weights, expected = load_file(path), initial_weights(seed)
        assert weights.keys() == expected.keys()
        assert all(np.array_equal(value, expected[name]) for name, value in weights.items())
        with safe_open(path, "numpy") as file:
            assert file.metadata()["weights"] == moment
    _, best = export.write_files("onnx", recording, out, force=False)
    assert {each.key: each.value for each in onnx.load(best).metadata_props}[
        "weights"
    ] == f"epoch 7, the best on {judge}"


def test_figures_of_held_out_digits_are_exported_as_such(tmp_path: Path) -> None:
    """They have their own split in tables, and their own folder in TensorBoard; another name is none."""
    events = validated_life()
    assert [row["split"] for row in table_rows(events) if row["split"] != "train"] == [
        "validation",
        "validation",
        "test",
    ]
    foreign = [replace(event, split="../x") if isinstance(event, EvalCompleted) else event for event in events[-4:]]
    write_tensorboard([*events, *foreign], 1_000.0, tmp_path / "board")
    assert {path.name for path in (tmp_path / "board").iterdir()} == {"keras-train", "keras-validation", "keras-test"}
    assert export._is_tensorboard_export(tmp_path / "board")


def test_how_far_the_twins_are_apart_is_exported(tmp_path: Path) -> None:
    """A row of the table for each epoch, and a folder of its own in TensorBoard."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = validated_life()
    apart = (("conv1", 0.25), ("conv2", 0.5), ("dense1", 0.75), ("dense2", 1.0))
    events.append(
        TwinsCompared(
            engine="keras", run_id="run", t=27.0, epoch=2, global_step=8, layers=apart, answers=3, test_size=8
        )
    )
    (row,) = (row for row in table_rows(events) if row["split"] == "twins")
    assert (row["engine"], row["epoch"], row["global_step"], row["loss"]) == ("both", 2, 8, None)
    assert [row[f"{layer}_apart"] for layer, _ in apart] == [0.25, 0.5, 0.75, 1.0]
    assert row["answers_apart"] == 3
    write_tensorboard(events, 1_000.0, tmp_path / "board")
    read = EventAccumulator(str(tmp_path / "board" / "twins"), {"scalars": 0})
    read.Reload()
    figures = {tag: [(scalar.step, scalar.value) for scalar in read.Scalars(tag)] for tag in read.Tags()["scalars"]}
    assert figures == {"answers_apart": [(8, 3.0)]} | {f"weights_apart/{layer}": [(8, value)] for layer, value in apart}
    assert export._is_tensorboard_export(tmp_path / "board")


def test_times_in_tensorboard_start_with_the_request(tmp_path: Path) -> None:
    """The worker of this run had been started 13 seconds before: they once moved all points into the future."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = list(read_events(DEMO))
    requested = next(event for event in events if isinstance(event, RunRequested))
    first = next(event for event in events if isinstance(event, TrainProgress) and event.engine == "pytorch")
    write_tensorboard(events, 1_000.0, tmp_path)
    read = EventAccumulator(str(tmp_path / "pytorch-train"), {"scalars": 0})
    read.Reload()
    assert read.Scalars("loss")[0].wall_time - 1_000.0 == pytest.approx(first.t - requested.t, abs=1e-3)


def test_a_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.summary.writer.event_file_writer", None)
    assert export_demo("--to", "tensorboard", "--out", str(tmp_path)) == 1
    assert "mnist-tui[export]" in capsys.readouterr().err
    assert not list(tmp_path.glob("*tensorboard*"))


def test_a_run_without_a_checkpoint_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(DEMO, tmp_path / "events.jsonl")
    assert main.main(["export", str(tmp_path), "--to", "onnx", "--out", str(tmp_path / "out")]) == 1
    assert "no checkpoint" in capsys.readouterr().err


def test_an_engine_whose_model_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One model of two is an error, although the one is written."""
    (tmp_path / "events.jsonl").write_bytes(DEMO.read_bytes())
    facts = {"schema": SCHEMA, "position": {}}
    weights = {f"weights.{name}": value for name, value in initial_weights(0).items()}
    save_arrays({"facts": np.array(json.dumps(facts)), **weights}, tmp_path / "keras.npz")
    assert main.main(["export", str(tmp_path), "--to", "onnx", "--out", str(tmp_path / "out")]) == 1
    assert "no checkpoint of PyTorch" in capsys.readouterr().err
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".onnx"]


@pytest.mark.parametrize("change", ["a kernel less", "another shape", "doubles"])
def test_another_model_is_not_exported_to_onnx(change: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = initial_weights(0)
    kernel = weights.pop("dense2.kernel")
    if change != "a kernel less":
        weights["dense2.kernel"] = kernel[:100] if change == "another shape" else kernel.astype(np.float64)
    facts = {"schema": SCHEMA, "position": {}}
    arrays = {f"weights.{name}": value for name, value in weights.items()}
    save_arrays({"facts": np.array(json.dumps(facts)), **arrays}, tmp_path / "keras.npz")
    (tmp_path / "events.jsonl").write_text("")
    assert main.main(["export", str(tmp_path), "--to", "onnx", "--out", str(tmp_path / "out")]) == 1
    assert "other parameters" in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.framework
@pytest.mark.parametrize("engine", ENGINES)
def test_exported_models_predict_what_the_framework_predicts(
    engine: str, warm: Callable[[str], Worked], small_config: TrainConfig, tmp_path: Path
) -> None:
    """ONNX by onnxruntime to 1e-4; safetensors hold exactly the same weights."""
    import onnxruntime
    from safetensors.numpy import load_file

    folder = tmp_path / "20260101-120000-run"
    worker = warm(engine)
    worker.start(small_config, "run", str(folder))
    worker.wait_for(RunFinished)
    (folder / "events.jsonl").write_text("")
    onnx_file, *_ = export.write_files("onnx", folder / "events.jsonl", tmp_path / "out", force=False)
    safe_file, *_ = export.write_files("safetensors", folder / "events.jsonl", tmp_path / "out", force=False)
    assert onnx_file.name == f"20260101-120000-run-{engine}.onnx"

    session = onnxruntime.InferenceSession(str(onnx_file), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    (logits,) = session.run(["logits"], {"images": images[:, None].astype(np.float32) / 255})
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = odds / odds.sum(axis=1, keepdims=True)
    for number, image in enumerate(images):
        worker.supervisor.send(Predict(request_id=number, image=tuple(map(int, image.ravel()))))
        probabilities = worker.wait_for(Prediction).probabilities
        assert np.abs(np.array(probabilities) - expected[number]).max() < 1e-4
    worker.finish()

    weights, arrays = load_file(safe_file), load_arrays(folder / f"{engine}.npz")
    assert len(weights) == 8
    assert all(np.array_equal(value, arrays[f"weights.{name}"]) for name, value in weights.items())


def test_an_svg_chart_has_gaps_and_escaped_names() -> None:
    line = svg.Line("<b>", "keras", [0.0, 1.0, 2.0, 3.0], [1.0, float("nan"), 0.5, 0.25], [(3.0, float("inf"))])
    drawn = svg.chart("<script>", "step", [line])
    assert drawn.count("<polyline") == 2
    assert "<script>" not in drawn
    assert "nan" not in drawn
    assert svg.chart("nothing", "step", []).startswith("<svg")
