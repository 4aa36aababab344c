"""Test that a run resumed from a checkpoint continues as if it had never been interrupted."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import resource
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engines.config import TrainConfig
from engines.data import load_digits
from engines.experiment.arrays import load_arrays, save_arrays
from engines.experiment.checkpoint import SCHEMA, CheckpointError, read_position
from engines.experiment.progress import Position
from engines.messages.codec import encode, to_plain
from engines.messages.commands import SaveCheckpoint, Stop
from engines.messages.events import (
    CheckpointSaved,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    ModelSaved,
    RunFailed,
    RunFinished,
    SaveFailed,
    TrainProgress,
    WarmedUp,
    WorkerExited,
)
from engines.messages.grammar import violations
from engines.preset_configs import from_settings
from engines.run_request import RunRequest
from engines.runs.directory import RunDirectory
from engines.runs.history import RunHistory
from engines.runs.reader import read_events
from engines.runs.resume import (
    ResumeError,
    ResumePoint,
    find_resume_points,
    repeat_finished,
    resume_warning,
)
from tests.support.engines import Worked, scripted_spec
from tests.support.programs import output_of
from tests.support.run_events import life, validated_life
from tui.cli.train import train

ENGINES = [
    "scripted",
    pytest.param("pytorch", marks=pytest.mark.framework),
    pytest.param("keras", marks=pytest.mark.framework),
]
Work = Callable[[str], Worked]


@pytest.fixture(autouse=True)
def slow_engine(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow the scripted engine down, so that it can be interrupted."""
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")


def config_of(small_mnist: Path, **settings: object) -> TrainConfig:
    """Return a config of three epochs, slow enough to be interrupted."""
    return from_settings({"epochs": 3, "batch_size": 16, "data_dir": str(small_mnist), "device": "cpu", **settings})


def epoch_losses(worker: Worked, run: str) -> list[tuple[float, float]]:
    """Return (train loss, test loss) of each epoch that the run completed."""
    epochs = [e for e in worker.of(EpochCompleted) if e.run_id == run]
    test_losses = {e.global_step: e.loss for e in worker.of(EvalCompleted) if e.run_id == run}
    return [(epoch.train_loss, test_losses[epoch.epoch * 30]) for epoch in epochs]


def stop_in_mid_epoch(worker: Worked, config: TrainConfig, folder: Path) -> None:
    """Train until a stop came in the middle of an epoch after the first; mostly it is the first stop."""
    stopped_in_mid_epoch = False
    while not stopped_in_mid_epoch:
        worker.start(config, "stopped", str(folder))
        worker.wait_for(EpochStarted, until=lambda e: e.run_id == "stopped" and e.epoch == 2)
        worker.supervisor.send(Stop())
        worker.wait_for(RunFinished)
        stopped_in_mid_epoch = read_position(folder / f"{worker.supervisor.spec.name}.npz").step > 0


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_cut_in_mid_epoch_continues_as_if_it_had_not_been(
    engine: str, warm: Work, small_mnist: Path, tmp_path: Path
) -> None:
    """A new worker resumes with the same order of digits and dropout masks, so that the losses agree to 1e-6.

    After a stop it resumes at the step that was reached; after a kill it has lost at most that epoch.
    """
    config = config_of(small_mnist, batch_size=8, limit_train=240, limit_test=50, dropout=0.25, schedule="cosine")
    worker = warm(engine)
    worker.start(config, "full")
    worker.wait_for(RunFinished)
    stop_in_mid_epoch(worker, config, tmp_path / "stopped")
    worker.start(config, "killed", str(tmp_path / "killed"))
    worker.wait_for(TrainProgress, until=lambda e: e.run_id == "killed" and e.epoch == 2)
    assert worker.supervisor.pid
    os.kill(worker.supervisor.pid, signal.SIGKILL)
    assert worker.wait_for(RunFailed).kind == "crashed"
    worker.thread.join(10)

    resumed = warm(engine)
    assert resumed is not worker
    for cut in ("stopped", "killed"):
        path = tmp_path / cut / f"{worker.supervisor.spec.name}.npz"
        position = read_position(path)
        assert position.epoch > 1
        assert (position.step == 0) == (cut == "killed")
        resumed.start(config, f"{cut}, resumed", str(tmp_path / "resumed"), resume=str(path))
        finished = resumed.wait_for(RunFinished)
        assert finished.outcome == "completed"
        expected = epoch_losses(worker, "full")[position.epoch - 1 :]
        assert np.array(epoch_losses(resumed, finished.run_id)) == pytest.approx(np.array(expected), abs=1e-6)
        orders = {e.epoch: e.order_sha256 for e in worker.of(EpochStarted) if e.run_id == "full"}
        again = {e.epoch: e.order_sha256 for e in resumed.of(EpochStarted) if e.run_id == finished.run_id}
        assert again == {epoch: orders[epoch] for epoch in range(position.epoch, 4)}
        first = next(e for e in resumed.of(TrainProgress) if e.run_id == finished.run_id)
        assert first.global_step == position.global_step + 1
        assert finished.test_accuracy == worker.of(RunFinished)[0].test_accuracy
        assert finished.train_seconds > position.train_seconds
    resumed.finish()
    assert violations(resumed.events) == []


@pytest.mark.parametrize("how", ["end", "term", "save"])
def test_a_checkpoint_is_written_at_shutdown_and_on_command(
    how: str, work: Work, small_mnist: Path, tmp_path: Path
) -> None:
    """Leaving the app, SIGTERM, and SaveCheckpoint write a checkpoint before the epoch ends."""
    worker = work("scripted")
    worker.start(config_of(small_mnist, epochs=1000), "run", str(tmp_path / "run"))
    worker.wait_for(TrainProgress, until=lambda e: e.epoch == 2)
    if how == "save":
        before = len(worker.of(CheckpointSaved))
        worker.supervisor.send(SaveCheckpoint())
        worker.wait_for(CheckpointSaved, until=lambda _: len(worker.of(CheckpointSaved)) > before)
        worker.supervisor.kill()
    elif how == "term":
        assert worker.supervisor.pid
        os.kill(worker.supervisor.pid, signal.SIGTERM)
    else:
        worker.supervisor.end()
    worker.wait_for(WorkerExited)
    position = read_position(tmp_path / "run" / "pytorch.npz")
    assert position.global_step >= max(e.global_step for e in worker.of(TrainProgress) if e.epoch == 2)


@pytest.mark.fault("disk", "a folder for checkpoints that is a file")
def test_a_failed_save_is_a_warning(work: Work, small_mnist: Path, tmp_path: Path) -> None:
    """Training completes although its folder is a file."""
    (tmp_path / "file").write_text("in the way")
    worker = work("scripted")
    worker.start(config_of(small_mnist), "run", str(tmp_path / "file" / "run"))
    assert worker.wait_for(RunFinished).outcome == "completed"
    worker.finish()
    assert [failure.what for failure in worker.of(SaveFailed)] == ["checkpoint"] * 3 + ["model"]
    assert {failure.reason for failure in worker.of(SaveFailed)} == {os.strerror(errno.ENOTDIR)}
    assert not worker.of(CheckpointSaved)


@pytest.mark.fault("disk", "a full disk in mid-run: the last checkpoint stays")
@pytest.mark.linux("prlimit")
def test_a_full_disk_is_a_warning_and_keeps_the_last_checkpoint(work: Work, small_mnist: Path, tmp_path: Path) -> None:
    """A limit on the size of files, set on the worker in mid-run, acts like a full disk."""
    worker = work("scripted")
    worker.start(config_of(small_mnist, epochs=1000), "run", str(tmp_path / "run"))
    worker.wait_for(CheckpointSaved)
    assert worker.supervisor.pid
    resource.prlimit(worker.supervisor.pid, resource.RLIMIT_FSIZE, (4096, 4096))
    assert worker.wait_for(SaveFailed).reason == os.strerror(errno.EFBIG)
    worker.supervisor.send(Stop())
    assert worker.wait_for(RunFinished).outcome == "stopped"
    worker.finish()
    assert read_position(tmp_path / "run" / "pytorch.npz").epoch >= 2
    assert not list((tmp_path / "run").glob(".*part*"))


def test_resuming_another_experiment_is_refused(work: Work, small_mnist: Path, tmp_path: Path) -> None:
    """`test_checkpoint.py` tries each setting."""
    worker = work("scripted")
    worker.start(config_of(small_mnist, epochs=2), "run", str(tmp_path / "run"))
    worker.wait_for(RunFinished)
    worker.start(config_of(small_mnist, seed=1), "other", resume=str(tmp_path / "run" / "pytorch.npz"))
    failed = worker.wait_for(RunFailed)
    assert failed.kind == "checkpoint"
    assert "seed was 0, now 1" in failed.message
    worker.finish()
    assert violations(worker.events) == []


@pytest.mark.fault("disk", "a damaged checkpoint")
@pytest.mark.parametrize("content", [b"", b"not a zip", b"\x93NUMPY", b"PK\x03\x04" + b"\0" * 300])
def test_a_damaged_checkpoint_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_position(tmp_path / "x.npz")
    assert str(caught.value) == f"{tmp_path}/x.npz is not a checkpoint of mnist-tui, or is damaged."


@pytest.mark.framework
@pytest.mark.parametrize(("engine", "axis"), [("pytorch", 1), ("keras", 3)])
def test_a_model_loads_elsewhere_as_the_guide_says(
    engine: str, axis: int, warm: Work, tiny_config: TrainConfig, small_mnist: Path, tmp_path: Path
) -> None:
    """The guide's code, in a process that can't import this project, reaches the engine's accuracy."""
    worker = warm(engine)
    worker.start(replace(tiny_config, limit_test=0), "run", str(tmp_path / "run"))
    saved = worker.wait_for(ModelSaved)
    expected = worker.wait_for(RunFinished).test_accuracy
    worker.finish()
    guide = (Path(__file__).parents[3] / "docs" / "guide.md").read_text(encoding="utf-8")
    (lines,) = [
        block for part in guide.split("```python\n")[1:] if Path(saved.path).name in (block := part.split("```")[0])
    ]
    digits = load_digits("auto", small_mnist, cache_dir=tmp_path)
    images = np.expand_dims(digits.test_images / np.float32(255), axis)
    np.savez(tmp_path / "test.npz", images=images, labels=digits.test_labels)
    logits = "model.eval()(torch.from_numpy(images)).detach()" if engine == "pytorch" else "model.predict(images)"
    code = f"""
import sys
sys.modules["engines"] = sys.modules["tui"] = None
{lines.replace("RUN/", f"{tmp_path}/run/")}
import numpy as np
images, labels = np.load({str(tmp_path / "test.npz")!r}).values()
print((np.asarray({logits}).argmax(1) == labels).mean())
"""
    assert float(output_of(engine, code, code=True).split()[-1]) == pytest.approx(expected, abs=1e-9)


# The record of a resumed run


def scripted_run(folder: Path, small_mnist: Path, **settings: object) -> int:
    """Train two scripted engines without a screen; return the exit code."""
    request = RunRequest(settings={"epochs": 4, "batch_size": 16, "data_dir": str(small_mnist), **settings})
    specs = [scripted_spec("pytorch"), scripted_spec("keras")]
    return train(specs, request, str(folder), json_lines=False, bars=False)


def resumed_run(folder: Path, run: Path, **changes: object) -> int:
    """Resume a run of two scripted engines; return the exit code."""
    specs = [scripted_spec("pytorch"), scripted_spec("keras")]
    return train(specs, RunRequest(settings=changes), str(folder), json_lines=False, bars=False, resume=run)


def test_a_resumed_run_repeats_its_past(small_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The new folder records every epoch and step of the full run, by the grammar, with ascending times."""
    assert scripted_run(tmp_path / "runs", small_mnist) == 0
    (before,) = (tmp_path / "runs").iterdir()
    assert resumed_run(tmp_path / "runs", before, epochs=6) == 0
    (after,) = [folder for folder in (tmp_path / "runs").iterdir() if folder != before]
    assert json.loads((after / "config.json").read_text())["resumed"] == before.name
    events = [event for event in read_events(after / "events.jsonl") if event.engine == "keras"]
    assert violations(events) == []
    assert [event.epoch for event in events if isinstance(event, EpochCompleted)] == [1, 2, 3, 4, 5, 6]
    history = RunHistory("keras")
    for event in events:
        history.apply(event)
    assert history.finished is not None
    assert history.finished.outcome == "completed"
    assert history.train_loss.xs[0] == 1
    times = [event.t for event in events if isinstance(event, TrainProgress)]
    assert times == sorted(times)
    assert "6 epochs" in capsys.readouterr().out


def test_only_the_unfinished_engine_resumes_and_both_are_compared(
    small_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One engine had completed its run, the other was interrupted and resumes; the comparison covers both."""
    assert scripted_run(tmp_path / "runs", small_mnist) == 0
    (before,) = (tmp_path / "runs").iterdir()
    arrays = load_arrays(before / "keras.npz")
    metadata = json.loads(str(arrays["facts"]))
    metadata["position"] |= {"epoch": 4, "global_step": 120, "evaluated_step": 120}
    save_arrays({**arrays, "facts": np.array(json.dumps(metadata))}, before / "keras.npz")
    capsys.readouterr()
    assert resumed_run(tmp_path / "runs", before) == 0
    out = capsys.readouterr().out
    assert "pytorch  importing" not in out, "it has nothing left to do"
    assert "keras    importing" in out
    assert out.count("4 epochs") == 2
    assert "McNemar" in out

    (after,) = [folder for folder in (tmp_path / "runs").iterdir() if folder != before]
    assert read_position(after / "pytorch.npz").epoch == 5, "the finished engine's checkpoint was copied"
    files = {"pytorch.npz", "scripted.npy"}
    repeated = [event for event in read_events(after / "events.jsonl") if event.engine == "pytorch"]
    assert violations(repeated) == []
    saved = [event for event in repeated if isinstance(event, CheckpointSaved | ModelSaved)]
    assert {event.path for event in saved} == {str(after / name) for name in files}, "the events name the copies"
    assert resumed_run(tmp_path / "runs", after, epochs=6) == 0
    assert capsys.readouterr().out.count("6 epochs") == 2


def test_a_model_that_can_not_be_copied_is_reported(tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / "keras.npz").write_bytes(b"weights")
    directory = RunDirectory(tmp_path / "after", {"keras": from_settings({})})
    assert directory.copy_results(tmp_path / "before", "keras") is None
    assert (tmp_path / "after" / "keras.npz").read_bytes() == b"weights"
    shutil.rmtree(tmp_path / "after")
    failure = directory.copy_results(tmp_path / "before", "keras")
    assert failure is not None
    assert (failure.engine, failure.what, failure.reason) == ("keras", "model", "No such file or directory")


def test_one_engine_alone_can_not_get_more_epochs(
    small_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs of different lengths could not be compared."""
    assert scripted_run(tmp_path / "runs", small_mnist) == 0
    (before,) = (tmp_path / "runs").iterdir()
    (before / "pytorch.npz").unlink()
    assert resumed_run(tmp_path / "runs", before, epochs=6) == 2
    assert "PyTorch has no checkpoint" in capsys.readouterr().err


def test_an_impossible_resume_is_refused_with_a_reason(
    small_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scripted_run(tmp_path / "runs", small_mnist) == 0
    (before,) = (tmp_path / "runs").iterdir()
    assert resumed_run(tmp_path / "runs", before) == 2
    assert "Nothing is left to do" in capsys.readouterr().err
    assert resumed_run(tmp_path / "runs", before, seed=3) == 2
    assert "keeps its seed" in capsys.readouterr().err
    with pytest.raises(ResumeError, match="holds no run"):
        find_resume_points(tmp_path, {})
    assert len(list((tmp_path / "runs").iterdir())) == 1, "a refusal leaves nothing behind"


def test_a_run_that_a_rule_ended_resumes_only_without_that_rule(
    small_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert scripted_run(tmp_path / "runs", small_mnist, epochs=3, target_accuracy=15.0) == 0
    (before,) = (tmp_path / "runs").iterdir()
    assert resumed_run(tmp_path / "runs", before) == 2
    assert "Nothing is left to do" in capsys.readouterr().err
    assert set(find_resume_points(before, {"target_accuracy": 0.0})) == {"pytorch", "keras"}


# What a continued run says and refuses


def saved_run(folder: Path, epochs_done: Mapping[str, int], **settings: object) -> Path:
    """Write the folder of a run of 5 epochs that was cut off: its config and its checkpoints, but no record."""
    folder.mkdir()
    config = to_plain(from_settings({"epochs": 5, **settings}))
    (folder / "config.json").write_text(json.dumps({"engines": dict.fromkeys(("pytorch", "keras"), config)}))
    for engine, epochs in epochs_done.items():
        metadata = {"schema": SCHEMA, "position": dataclasses.asdict(Position(epoch=epochs + 1))}
        save_arrays({"facts": np.array(json.dumps(metadata))}, folder / f"{engine}.npz")
    return folder


BOTH = frozenset({"pytorch", "keras"})


@pytest.mark.parametrize(("schedule", "epochs", "warns"), [
    ("cosine", 6, True), ("one-cycle", 6, True), ("one-cycle", 4, True), ("constant", 6, False), ("cosine", 5, False),
])  # fmt: skip
def test_other_epochs_that_change_the_learning_rates_cause_a_warning(
    schedule: str, epochs: int, warns: bool, tmp_path: Path
) -> None:
    """A schedule spans all epochs; a constant rate does not change. The record need not be there."""
    folder = saved_run(tmp_path / "run", {"pytorch": 3, "keras": 2}, schedule=schedule)
    warning = resume_warning(folder, BOTH, find_resume_points(folder, {"epochs": epochs}))
    assert warning.startswith(f"The {schedule} schedule now spans {epochs} epochs instead of 5" if warns else "")
    assert bool(warning) is warns


def test_a_run_for_more_epochs_forgets_its_test(tmp_path: Path) -> None:
    """With held-out digits, the test digits are evaluated at the new end alone."""
    folder = saved_run(tmp_path / "run", {"keras": 2}, epochs=2, validation=16)
    position = Position(epoch=3, global_step=8)
    metadata = {"schema": SCHEMA, "position": dataclasses.asdict(position)}
    save_arrays({"facts": np.array(json.dumps(metadata))}, folder / "keras.npz")
    (folder / "events.jsonl").write_text("".join(f"{encode(event)}\n" for event in validated_life()))
    repeated = find_resume_points(folder, {"epochs": 3}, frozenset({"keras"}))["keras"].events
    assert [event.split for event in repeated if isinstance(event, EvalCompleted)] == ["validation"] * 2


def test_an_engine_that_can_not_continue_is_named(tmp_path: Path) -> None:
    """The new folder, and what is exported from it, holds the other one alone."""
    folder = saved_run(tmp_path / "run", {"keras": 2})
    points = find_resume_points(folder, {})
    assert set(points) == {"keras"}
    expected = "PyTorch is left out: run has neither its end nor a checkpoint with epochs left to train."
    assert resume_warning(folder, BOTH, points) == expected
    assert resume_warning(folder, {"keras"}, points) == "", "it was not asked for"


def test_an_engine_that_has_trained_longer_is_not_left_out(
    small_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fewer epochs than one engine has done would leave it out, or compare runs of different lengths."""
    assert scripted_run(tmp_path / "runs", small_mnist) == 0
    (before,) = (tmp_path / "runs").iterdir()
    assert resumed_run(tmp_path / "runs", before, epochs=3) == 2
    sentence = f"PyTorch has trained 4 epochs in {before.name} already, so --epochs can't be 3."
    assert sentence in capsys.readouterr().err


def test_a_warning_is_printed(small_mnist: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert scripted_run(tmp_path / "runs", small_mnist, epochs=1, schedule="cosine") == 0
    (before,) = (tmp_path / "runs").iterdir()
    assert resumed_run(tmp_path / "runs", before, epochs=2) == 0
    assert "cosine schedule now spans 2 epochs instead of 1" in capsys.readouterr().err


def test_a_finished_run_is_repeated_with_its_warm_up_and_its_files() -> None:
    """The worker's start comes before the run in a record, and after its request where the run is repeated."""
    warm_up = WarmedUp(engine="keras", t=-8.0, samples_per_sec=1.0, build_seconds=3.5, first_step_seconds=0.3)
    request, *rest = life()
    events = (request, warm_up, *rest[:-1], CheckpointSaved(engine="keras", t=29.0, path="old/keras.npz"), rest[-1])
    point = ResumePoint(TrainConfig(epochs=2, threads=3), "", events)
    repeated = repeat_finished(point, "new", "runs/new", now=130.0)
    assert [event.seq for event in repeated] == list(range(1, len(events) + 1))
    assert {event.run_id for event in repeated} == {"new"}
    assert [event.t for event in repeated] == [event.t + 100.0 for event in events]
    history = RunHistory("keras")
    for event in repeated:
        history.apply(event)
    assert (history.config, history.checkpoint) == (point.config, "runs/new/keras.npz")
    assert history.wall_seconds(0.0) == 30.0
    assert repeat_finished(point, "new", "", now=30.0)[-2] == dataclasses.replace(
        events[-2], run_id="new", seq=len(events) - 1
    )


def test_a_position_counts_evaluations_since_the_best() -> None:
    position = Position()
    position.advance(10, 20.0, 60.0, 1.5, 640)
    assert (position.global_step, position.train_seconds) == (10, 1.5)
    assert position.record_evaluation(0.9)
    assert not position.record_evaluation(0.8)
    assert (position.evaluations_since_best, position.best_epoch) == (1, 1)
    position.next_epoch()
    assert (position.epoch, position.step, position.global_step, position.epoch_seconds) == (2, 0, 10, 0.0)
