"""One contract for every engine: scripted, PyTorch and Keras, each in a real worker process."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from engines.config import TrainConfig
from engines.data.synthetic import draw
from engines.messages.commands import Pause, Predict, Resume, Stop
from engines.messages.events import (
    CheckpointSaved,
    CommandSent,
    DataReady,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    EvalStarted,
    Heartbeat,
    LogLine,
    ModelReady,
    Prediction,
    RunFailed,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    TrainProgress,
    WorkerExited,
    WorkerReady,
)
from engines.messages.grammar import violations
from engines.preset_configs import from_settings
from tests.support.digits import write_idx
from tests.support.engines import Worked

ENGINES = [
    "scripted",
    pytest.param("pytorch", marks=pytest.mark.framework),
    pytest.param("keras", marks=pytest.mark.framework),
]
Work = Callable[[str], Worked]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_whole_life(engine: str, work: Work, small_config: TrainConfig, tmp_path: Path) -> None:
    """Two runs in one warm worker, with a prediction and a stop, all by the grammar."""
    worker = work(engine)
    worker.start(small_config, "first", str(tmp_path / "run"))
    ready = worker.wait_for(WorkerReady)
    assert ready.devices[0].id == "cpu"
    assert all(device.usable or device.reason for device in ready.devices)
    ended = worker.wait_for(RunFinished)
    assert (ended.run_id, ended.outcome) == ("first", "completed")

    data, model, started = worker.of(DataReady)[0], worker.of(ModelReady)[0], worker.of(RunStarted)[0]
    assert (data.train_size, data.test_size, data.dataset) == (640, 200, "custom")
    assert model.parameters == 1_199_882 == sum(count for _, count in model.layers)
    assert (started.steps_per_epoch, started.total_steps, started.device) == (10, 20, "cpu")
    orders = worker.of(EpochStarted)
    assert len({event.order_sha256 for event in orders}) == 2
    _check_figures(worker)
    assert worker.of(CheckpointSaved)
    assert Path(worker.of(CheckpointSaved)[-1].path).is_file()

    worker.supervisor.send(Predict(request_id=7, image=(0,) * 784))
    answer = worker.wait_for(Prediction)
    assert (answer.request_id, answer.global_step) == (7, 20)
    assert sum(answer.probabilities) == pytest.approx(1.0, abs=1e-4)

    worker.start(from_settings({"epochs": 500, "batch_size": 64, "data_dir": small_config.data_dir}), "second")
    worker.wait_for(TrainProgress)
    worker.supervisor.send(Stop())
    stopped = worker.wait_for(RunFinished)
    assert (stopped.run_id, stopped.outcome) == ("second", "stopped")
    assert stopped.test_accuracy is not None
    assert [event.command for event in worker.of(CommandSent)] == ["Stop"]
    ended = [event for event in worker.events if isinstance(event, EvalStarted | EvalCompleted | RunFinished)]
    assert [type(event) for event in ended[-3:]] == [EvalStarted, EvalCompleted, RunFinished]
    assert len(worker.of(WorkerReady)) == 1, "the second run was in the warm worker"
    worker.finish()
    assert worker.of(WorkerExited)[-1].returncode == 0
    assert violations(worker.events) == []


def _check_figures(worker: Worked) -> None:
    """Every number means what the contract says."""
    for epoch in (1, 2):
        progress = [e for e in worker.of(TrainProgress) if e.epoch == epoch]
        (completed,) = [e for e in worker.of(EpochCompleted) if e.epoch == epoch]
        assert progress[-1].step == 10
        assert progress[-1].samples_seen == epoch * 640
        counts = np.diff([(epoch - 1) * 640, *(e.samples_seen for e in progress)])
        assert np.dot(counts, [e.loss for e in progress]) / 640 == pytest.approx(completed.train_loss, rel=1e-6)
        assert np.dot(counts, [e.accuracy for e in progress]) / 640 == pytest.approx(completed.train_accuracy)
        assert (completed.first_step_seconds is None) == (epoch == 2)
    for event in worker.of(EvalCompleted):
        confusion = np.array(event.confusion).reshape(10, 10)
        assert confusion.sum() == 200
        assert confusion.trace() / 200 == pytest.approx(event.accuracy)
        assert len(event.mistakes) == 200 - confusion.trace()
        assert all(label != predicted for _, label, predicted in event.mistakes)


@pytest.mark.parametrize("engine", ENGINES)
def test_pause_holds_and_resume_goes_on(engine: str, warm: Work, small_mnist: Path) -> None:
    worker = warm(engine)
    worker.start(from_settings({"epochs": 300, "batch_size": 64, "data_dir": str(small_mnist)}))
    worker.wait_for(TrainProgress)
    worker.supervisor.send(Pause())
    worker.wait_for(RunPaused)
    steps = len(worker.of(TrainProgress))
    worker.wait_for(Heartbeat)
    worker.supervisor.send(Predict(request_id=1, image=(0,) * 784))
    worker.wait_for(Prediction)
    assert len(worker.of(TrainProgress)) == steps, "a paused worker answers but does not train"
    worker.supervisor.send(Resume())
    worker.wait_for(RunResumed)
    worker.wait_for(TrainProgress)
    worker.supervisor.send(Pause())
    worker.supervisor.send(Stop())
    assert worker.wait_for(RunFinished).outcome == "stopped"
    worker.finish()
    assert violations(worker.events) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_a_stop_before_the_first_step(engine: str, work: Work, small_config: TrainConfig) -> None:
    """However early it comes, it ends the run, and the worker stays."""
    worker = work(engine)
    worker.start(small_config)
    worker.supervisor.send(Stop())
    assert worker.wait_for(RunFinished).outcome == "stopped"
    worker.start(from_settings({"epochs": 1, "data_dir": small_config.data_dir}), "again")
    assert worker.wait_for(RunFinished).outcome == "completed"
    worker.finish()
    assert violations(worker.events) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_seed_gives_the_same_curve(engine: str, warm: Work, small_mnist: Path) -> None:
    config = from_settings({"epochs": 1, "batch_size": 64, "data_dir": str(small_mnist), "seed": 5})
    losses = []
    worker = warm(engine)
    for run in ("a", "b"):
        worker.start(config, run)
        worker.wait_for(RunFinished)
        losses.append([e.train_loss for e in worker.of(EpochCompleted) if e.run_id == run])
    worker.finish()
    assert losses[0] == losses[1]


@pytest.mark.parametrize("engine", ["scripted"])
def test_another_seed_needs_no_digits_again(engine: str, warm: Work, tmp_path: Path) -> None:
    """Told by taking them away from the disk."""
    images, labels = draw(40, 7, lambda *_: None, lambda: False)
    for part in ("train", "t10k"):
        write_idx(tmp_path / "digits", images, labels, part)
    worker = warm(engine)
    for seed in (1, 2):
        worker.start(from_settings({"epochs": 1, "data_dir": str(tmp_path / "digits"), "seed": seed}), f"seed-{seed}")
        assert worker.wait_for(RunFinished).outcome == "completed"
        shutil.rmtree(tmp_path / "digits", ignore_errors=True)
    assert len({event.order_sha256 for event in worker.of(EpochStarted)}) == 2
    worker.finish()


@pytest.mark.parametrize("engine", ["scripted"])
def test_a_speed_that_nobody_could_measure_is_none(engine: str, warm: Work, small_mnist: Path) -> None:
    """An epoch of the run's first step alone; the next one has a speed."""
    config = from_settings({"epochs": 2, "batch_size": 64, "limit_train": 64, "data_dir": str(small_mnist)})
    worker = warm(engine)
    worker.start(config)
    worker.wait_for(RunFinished)
    first, second = worker.of(EpochCompleted)
    assert first.samples_per_sec is None
    assert second.samples_per_sec
    worker.finish()


@pytest.mark.framework
def test_both_frameworks_see_the_same_digits_and_begin_alike(warm: Work, small_mnist: Path) -> None:
    """Equal orders, and with dropout off nearly the same first loss."""
    config = from_settings(
        {
            "epochs": 1,
            "batch_size": 64,
            "data_dir": str(small_mnist),
            "dropout": 0.0,
            "optimizer": "sgd",
            "learning_rate": 0.01,
        }
    )
    first, orders, ends = [], [], []
    for engine in ("pytorch", "keras"):
        worker = warm(engine)
        worker.start(config)
        worker.wait_for(RunFinished)
        first.append(worker.of(TrainProgress)[0].loss)
        ends.append(worker.of(EpochCompleted)[0].train_loss)
        orders.append(worker.of(EpochStarted)[0].order_sha256)
        worker.finish()
    assert orders[0] == orders[1]
    assert first[0] == pytest.approx(first[1], abs=1e-5)
    assert ends[0] == pytest.approx(ends[1], abs=1e-3)


@pytest.mark.framework
@pytest.mark.parametrize("optimizer", ["adadelta", "sgd", "adam", "adamw"])
def test_engines_agree_under_every_optimizer(optimizer: str, warm: Work, tmp_path: Path) -> None:
    """Five steps under a changing learning rate, dropout off: the optimizers are one definition in two libraries."""
    images, labels = draw(420, 3, lambda *_: None, lambda: False)
    write_idx(tmp_path / "digits", images[:320], labels[:320], "train")
    write_idx(tmp_path / "digits", images[320:], labels[320:], "t10k")
    rate = {"adadelta": 0.1}.get(optimizer, 0.001)
    config = from_settings(
        {
            "epochs": 1,
            "batch_size": 64,
            "dropout": 0.0,
            "optimizer": optimizer,
            "learning_rate": rate,
            "schedule": "cosine",
            "data_dir": str(tmp_path / "digits"),
        }
    )
    losses = []
    for engine in ("pytorch", "keras"):
        worker = warm(engine)
        worker.start(config)
        worker.wait_for(RunFinished)
        losses.append(worker.of(EvalCompleted)[0].loss)
        worker.finish()
    assert losses[0] == pytest.approx(losses[1], rel=2e-3)


@pytest.mark.framework
@pytest.mark.parametrize("engine", ["pytorch", "keras"])
def test_it_learns(engine: str, warm: Work, tmp_path: Path) -> None:
    """3,200 drawn digits once, 1,000 others to read: 72.4 to 75.3 % measured in both with seeds 0, 1, 2; chance is 10 %."""
    images, labels = draw(4200, 11, lambda *_: None, lambda: False)
    write_idx(tmp_path / "digits", images[:3200], labels[:3200], "train")
    write_idx(tmp_path / "digits", images[3200:], labels[3200:], "t10k")
    worker = warm(engine)
    worker.start(from_settings({"epochs": 1, "batch_size": 32, "data_dir": str(tmp_path / "digits")}))
    assert worker.wait_for(RunFinished, timeout=240).test_accuracy >= 0.65
    worker.finish()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_device_that_is_not_there_fails_with_its_reason(engine: str, warm: Work, small_mnist: Path) -> None:
    worker = warm(engine)
    worker.start(from_settings({"device": "cuda:77", "data_dir": str(small_mnist)}))
    failed = worker.wait_for(RunFailed)
    assert (failed.kind, "cuda:77" in failed.message) == ("device", True)
    worker.start(from_settings({"epochs": 1, "data_dir": str(small_mnist)}), "again")
    assert worker.wait_for(RunFinished).run_id == "again"
    worker.finish()
    assert violations(worker.events) == []


def test_missing_data_fails_with_a_hint(work: Work, tmp_path: Path) -> None:
    worker = work("scripted")
    worker.start(from_settings({"data_dir": str(tmp_path / "nowhere")}))
    failed = worker.wait_for(RunFailed)
    assert failed.kind == "data"
    assert "nowhere" in failed.message
    assert failed.hint


@pytest.mark.fault("workers", "a framework that is missing")
@pytest.mark.framework
@pytest.mark.parametrize("engine", ["pytorch", "keras", "keras-jax"])
def test_a_worker_says_what_is_missing(engine: str, work: Work, tmp_path: Path) -> None:
    """An interpreter without the framework: the failure names what to install, and where."""
    import dataclasses
    import venv

    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    python = tmp_path / "bare/bin/python"
    (lib,) = (tmp_path / "bare/lib").glob("python*/site-packages")
    for name in ("numpy", "numpy.libs"):
        source = Path(np.__file__).parents[1] / name
        if source.exists():
            os.symlink(source, lib / name)
    worker = work(engine)
    worker.supervisor.spec = dataclasses.replace(worker.supervisor.spec, python=str(python))
    worker.start(from_settings({"epochs": 1}))
    failed = worker.wait_for(RunFailed)
    assert failed.kind == "missing-framework"
    assert {"pytorch": "torch", "keras": "keras", "keras-jax": "jax"}[engine] in failed.message
    assert engine != "keras-jax" or failed.hint.endswith("pip install jax keras")
    assert str(python) in failed.hint
    worker.thread.join(10)
    assert violations(worker.events) == []
    assert sys.executable not in failed.hint


def test_log_lines_keep_colours_and_lose_nothing_else(
    work: Work, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "garbage@3")
    worker = work("scripted")
    worker.start(small_config)
    worker.wait_for(RunFinished)
    worker.finish()
    texts = [(line.stream, line.text) for line in worker.of(LogLine)]
    assert ("stdout", "last words") in texts
    assert ("stderr", "on stderr") in texts
    assert any("unreadable" in text for stream, text in texts if stream == "supervisor")
    assert any("somebody" in text for stream, text in texts if stream == "supervisor")
    assert violations(worker.events) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_questions_change_nothing(
    engine: str, warm: Work, small_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same run, left alone and asked after every event: weights, optimizer and random numbers are equal bit for bit."""
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    kept = []
    worker = warm(engine)
    for run in ("alone", "asked"):
        worker.start(small_config, run, str(tmp_path / run))
        if run == "asked":
            told = asked = 0
            while not any(event.run_id == run for event in worker.of(RunFinished)):
                event = worker.inbox.get(timeout=120)
                if isinstance(event, ModelReady | TrainProgress | EvalCompleted):
                    told += 1
                    worker.supervisor.send(Predict(request_id=told, image=tuple(i % 256 for i in range(784))))
            asked = len(worker.of(Prediction))
            assert asked >= 3, "it was asked while it trained"
        else:
            worker.wait_for(RunFinished)
        with np.load(tmp_path / run / f"{worker.supervisor.spec.name}.npz") as archive:
            kept.append({name: archive[name] for name in archive.files if name != "facts"})
    worker.finish()
    assert kept[0].keys() == kept[1].keys()
    assert [name for name in kept[0] if not np.array_equal(kept[0][name], kept[1][name])] == []
    assert violations(worker.events) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fresh_worker_answers_with_a_kept_model(
    engine: str, warm: Work, work: Work, small_config: TrainConfig, tmp_path: Path
) -> None:
    """As the worker did that trained it; without a checkpoint, or with a broken one, it says why not."""
    image = tuple(i % 256 for i in range(784))
    trained = warm(engine)
    trained.start(small_config, "first", str(tmp_path / "run"))
    trained.wait_for(RunFinished)
    trained.supervisor.send(Predict(request_id=1, image=image))
    right = trained.wait_for(Prediction)
    assert right.checkpoint == ""
    trained.finish()

    fresh = work(engine)
    fresh.start()
    fresh.wait_for(WorkerReady)
    fresh.supervisor.send(Predict(request_id=1, image=image))
    assert fresh.wait_for(Prediction).problem == "no model yet"
    (tmp_path / "broken.npz").write_bytes(b"PK")
    fresh.supervisor.send(Predict(request_id=2, image=image, checkpoint=str(tmp_path / "broken.npz")))
    assert "broken.npz" in fresh.wait_for(Prediction).problem
    path = str(next((tmp_path / "run").glob("*.npz")))
    fresh.supervisor.send(Predict(request_id=3, image=image, checkpoint=path))
    answer = fresh.wait_for(Prediction)
    assert (answer.problem, answer.checkpoint, answer.epoch, answer.global_step) == ("", path, 2, 20)
    assert answer.probabilities == pytest.approx(right.probabilities, abs=1e-6)
    fresh.start(small_config, "second")
    assert fresh.wait_for(RunFinished).outcome == "completed"
    fresh.supervisor.send(Predict(request_id=4, image=image, checkpoint=path))
    assert fresh.wait_for(Prediction).checkpoint == "", "its own model answers from then on"
    fresh.finish()
    assert violations(fresh.events) == []
