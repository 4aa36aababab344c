"""Every engine keeps one contract: scripted, PyTorch and Keras, each in a real worker process."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest

from engines.config import TrainConfig
from engines.data import Digits, load_digits
from engines.data.synthetic import draw
from engines.experiment import contract
from engines.experiment.checkpoint import best_path, load_model, read_filters
from engines.experiment.forward import forward
from engines.experiment.recipe import KERNELS, Weights, initial_weights
from engines.messages.commands import ChangeLearningRate, MeasureStep, Pause, Predict, Resume, Step, Stop
from engines.messages.events import (
    CheckpointSaved,
    CommandSent,
    DataReady,
    EpochCompleted,
    EpochStarted,
    EvalCompleted,
    EvalStarted,
    Heartbeat,
    LearningRateChanged,
    LogLine,
    ModelReady,
    Prediction,
    RunFailed,
    RunFinished,
    RunPaused,
    RunResumed,
    RunStarted,
    StepMeasured,
    TrainProgress,
    WorkerExited,
    WorkerReady,
)
from engines.messages.grammar import violations
from engines.preset_configs import from_settings
from engines.supervision.registry import EngineSpec
from tests.support.digits import write_idx
from tests.support.engines import Warm, Worked, check_inside

if TYPE_CHECKING:  # mypy imports no framework; two in one process would abort it
    from engines.keras import (
        engine as keras_engine,
        inspection as keras_inspection,
        parallel as keras_parallel,
        selftest as keras_selftest,
    )
    from engines.keras_jax import (
        engine as keras_jax_engine,
        inspection as keras_jax_inspection,
        selftest as keras_jax_selftest,
    )
    from engines.keras_torch import (
        engine as keras_torch_engine,
        inspection as keras_torch_inspection,
        selftest as keras_torch_selftest,
    )
    from engines.pytorch import (
        engine as pytorch_engine,
        inspection as pytorch_inspection,
        parallel as pytorch_parallel,
        selftest as pytorch_selftest,
    )
    from tests.support import scripted_engine

    _pytorch: contract.EngineModule = pytorch_engine
    _keras: contract.EngineModule = keras_engine
    _keras_jax: contract.EngineModule = keras_jax_engine
    _keras_torch: contract.EngineModule = keras_torch_engine
    _scripted: contract.EngineModule = scripted_engine
    _parallel_modules: tuple[contract.ParallelModule, ...] = (pytorch_parallel, keras_parallel)
    _parallel_classes: tuple[Callable[[TrainConfig, Digits, Weights], contract.ParallelEngine], ...] = (
        pytorch_parallel.ParallelEngine, keras_parallel.ParallelEngine,
    )  # fmt: skip
    _inspections: tuple[contract.InspectionModule, ...] = (
        pytorch_inspection, keras_inspection, keras_jax_inspection, keras_torch_inspection,
    )  # fmt: skip
    _selftests: tuple[contract.SelftestModule, ...] = (
        pytorch_selftest, keras_selftest, keras_jax_selftest, keras_torch_selftest,
    )  # fmt: skip

ENGINES = [
    "scripted",
    pytest.param("pytorch", marks=pytest.mark.framework),
    pytest.param("keras", marks=pytest.mark.framework),
]
Work = Callable[[str], Worked]


@pytest.mark.parametrize("engine", ENGINES)
def test_two_runs_in_one_worker(engine: str, warm: Work, tiny_config: TrainConfig, tmp_path: Path) -> None:
    check_two_runs(warm(engine), tiny_config, tmp_path)


def check_two_runs(worker: Worked, config: TrainConfig, tmp_path: Path) -> None:
    """Two runs in one warm worker, with a prediction and a stop, follow the grammar."""
    worker.start(config, "first", str(tmp_path / "run"))
    ended = worker.wait_for(RunFinished)
    assert (ended.run_id, ended.outcome) == ("first", "completed")
    (ready,) = worker.of(WorkerReady)
    assert ready.devices[0].id == "cpu"
    assert all(device.usable or device.reason for device in ready.devices)

    data, model, started = worker.of(DataReady)[0], worker.of(ModelReady)[0], worker.of(RunStarted)[0]
    assert (data.train_size, data.test_size, data.dataset) == (160, 50, "custom")
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

    worker.start(replace(config, epochs=500), "second")
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
    assert [exited.returncode for exited in worker.of(WorkerExited)] == ([] if isinstance(worker, Warm) else [0])
    assert violations(worker.events) == []


def _check_figures(worker: Worked) -> None:
    """Check that every figure means what `engines.messages.events` says."""
    for epoch in (1, 2):
        progress = [e for e in worker.of(TrainProgress) if e.epoch == epoch]
        (completed,) = [e for e in worker.of(EpochCompleted) if e.epoch == epoch]
        assert progress[-1].step == 10
        assert progress[-1].samples_seen == epoch * 160
        counts = np.diff([(epoch - 1) * 160, *(e.samples_seen for e in progress)])
        assert np.dot(counts, [e.loss for e in progress]) / 160 == pytest.approx(completed.train_loss, rel=1e-6)
        assert np.dot(counts, [e.accuracy for e in progress]) / 160 == pytest.approx(completed.train_accuracy)
        assert (completed.first_step_seconds is None) == (epoch == 2)
    for event in worker.of(EvalCompleted):
        confusion = np.array(event.confusion).reshape(10, 10)
        assert confusion.sum() == 50
        assert confusion.trace() / 50 == pytest.approx(event.accuracy)
        assert len(event.mistakes) == 50 - confusion.trace()
        assert all(label != predicted for _, label, predicted in event.mistakes)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_paused_worker_predicts_and_a_resumed_one_trains(engine: str, warm: Work, tiny_config: TrainConfig) -> None:
    worker = warm(engine)
    worker.start(replace(tiny_config, epochs=500))
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
def test_a_stop_before_the_first_step(engine: str, warm: Work, tiny_config: TrainConfig) -> None:
    """A stop ends the run however early it comes, and the worker stays; the scripted engine gets it before its import."""
    worker = warm(engine)
    worker.start(tiny_config)
    worker.supervisor.send(Stop())
    assert worker.wait_for(RunFinished).outcome == "stopped"
    worker.start(replace(tiny_config, epochs=1), "again")
    assert worker.wait_for(RunFinished).outcome == "completed"
    worker.finish()
    assert violations(worker.events) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_the_same_seed_gives_the_same_curve(engine: str, warm: Work, tiny_config: TrainConfig) -> None:
    config = replace(tiny_config, epochs=1, seed=5)
    losses = []
    worker = warm(engine)
    for run in ("a", "b"):
        worker.start(config, run)
        worker.wait_for(RunFinished)
        losses.append([e.train_loss for e in worker.of(EpochCompleted) if e.run_id == run])
    worker.finish()
    assert losses[0] == losses[1]


@pytest.mark.parametrize("engine", ["scripted"])
def test_another_seed_reuses_the_digits(engine: str, warm: Work, tmp_path: Path) -> None:
    """The second run trains although the digits are gone from the disk."""
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
def test_the_speed_of_an_untimed_epoch_is_none(engine: str, warm: Work, small_mnist: Path) -> None:
    """An epoch of the run's first step alone has no speed; the next epoch has one."""
    config = from_settings({"epochs": 2, "batch_size": 64, "limit_train": 64, "data_dir": str(small_mnist)})
    worker = warm(engine)
    worker.start(config)
    worker.wait_for(RunFinished)
    first, second = worker.of(EpochCompleted)
    assert first.samples_per_sec is None
    assert second.samples_per_sec
    worker.finish()


@pytest.mark.framework
def test_both_frameworks_train_on_the_same_digits_from_the_same_weights(warm: Work, tiny_config: TrainConfig) -> None:
    """The orders are equal, and with dropout off the first losses nearly so."""
    config = replace(tiny_config, epochs=1, dropout=0.0, optimizer="sgd", learning_rate=0.01)
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
def test_engines_agree_under_every_optimizer(optimizer: str, warm: Work, tiny_config: TrainConfig) -> None:
    """Ten steps under a changing learning rate, with dropout off, lead both engines to the same loss."""
    rate = {"adadelta": 0.1}.get(optimizer, 0.001)
    config = replace(tiny_config, epochs=1, dropout=0.0, optimizer=optimizer, learning_rate=rate, schedule="cosine")
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
    """80 steps on 1,280 drawn digits, 500 others to test: measured 56.0 to 61.0 % in both, seeds 0, 1, 2; chance is 10 %."""
    images, labels = draw(1780, 11, lambda *_: None, lambda: False)
    write_idx(tmp_path / "digits", images[:1280], labels[:1280], "train")
    write_idx(tmp_path / "digits", images[1280:], labels[1280:], "t10k")
    worker = warm(engine)
    worker.start(from_settings({"epochs": 1, "batch_size": 16, "data_dir": str(tmp_path / "digits")}))
    assert worker.wait_for(RunFinished, timeout=240).test_accuracy >= 0.5
    worker.finish()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_run_on_a_missing_device_fails_with_a_reason(engine: str, warm: Work, tiny_config: TrainConfig) -> None:
    worker = warm(engine)
    worker.start(replace(tiny_config, device="cuda:77"))
    failed = worker.wait_for(RunFailed)
    assert (failed.kind, "cuda:77" in failed.message) == ("device", True)
    worker.start(replace(tiny_config, epochs=1), "again")
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
def test_a_missing_framework_is_reported(engine: str, work: Work, tmp_path: Path) -> None:
    """In an interpreter without the framework, the failure names what to install, and where."""
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


def test_garbage_from_a_worker_becomes_log_lines(
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
def test_held_out_digits_judge_and_the_best_weights_are_kept(
    engine: str, warm: Work, small_mnist: Path, tmp_path: Path
) -> None:
    """Every engine holds out the same digits; the weights in its files answer them, and the test digits, as the events say."""
    limits = {"batch_size": 16, "limit_train": 200, "limit_test": 50}
    config = from_settings({**limits, "epochs": 3, "validation": 40, "data_dir": str(small_mnist), "seed": 6})
    worker = warm(engine)
    worker.start(config, "run", str(tmp_path / "run"))
    finished = worker.wait_for((RunFinished, RunFailed))
    worker.finish()
    digits = load_digits("mnist", small_mnist, cache_dir=tmp_path).limited(200, 50).hold_out(40, 6)
    (data,) = worker.of(DataReady)
    assert (data.train_size, data.test_size, data.validation_size) == (160, 50, 40)
    assert data.validation_sha256 == digits.validation_sha256
    *judged, test = worker.of(EvalCompleted)
    assert [event.split for event in judged] == ["validation"] * 3
    assert test.split == "test"
    best = max(judged, key=lambda event: event.accuracy)
    path = tmp_path / "run" / f"{worker.supervisor.spec.name}.npz"
    assert load_model(best_path(path))[0].epoch == finished.best_epoch == best.epoch
    correct = (_answers(load_model(best_path(path))[1], digits.test_images[:40]) == digits.test_labels[:40]).sum()
    assert correct == pytest.approx(40 * best.accuracy, abs=1)  # numpy may round a tie to another digit
    correct = (_answers(load_model(path)[1], digits.test_images[40:]) == digits.test_labels[40:]).sum()
    assert correct == pytest.approx(50 * test.accuracy, abs=1)
    assert violations(worker.events) == []


def _answers(weights: Weights, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return what a network of these weights reads in the images."""
    scripted = "kernel" in weights
    logits = images.reshape(len(images), -1) / 255 @ weights["kernel"] if scripted else forward(weights, images)
    read: npt.NDArray[np.int64] = logits.argmax(axis=1)
    return read


@pytest.mark.parametrize("engine", ENGINES)
def test_requests_do_not_change_the_training(
    engine: str, warm: Work, tiny_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run without and one with requests after every event end with equal weights, slots and random state, bit for bit.

    The second one is paused at once, and trains two steps one at a time.
    """
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "slow")
    checkpoints = []
    worker = warm(engine)
    image = tuple(i % 256 for i in range(784))
    for run in ("without", "with"):
        worker.start(tiny_config, run, str(tmp_path / run))
        if run == "with":
            worker.supervisor.send(Pause())
            requests = alone = 0
            while not any(event.run_id == run for event in worker.of(RunFinished)):
                event = worker.inbox.get(timeout=120)
                if isinstance(event, RunPaused):
                    worker.supervisor.send(Step())
                    worker.supervisor.send(Step())
                alone += isinstance(event, StepMeasured) and bool(worker.of(RunPaused))
                if alone == 2 and len(worker.of(CommandSent)) == 1:
                    worker.supervisor.send(Resume())
                if isinstance(event, ModelReady | TrainProgress | EvalCompleted):
                    requests += 1
                    inside = bool(requests % 2) and engine != "scripted"
                    worker.supervisor.send(Predict(request_id=requests, image=image, inside=inside))
                    worker.supervisor.send(MeasureStep())
            assert len(worker.of(Prediction)) >= 3, "it predicted while it trained"
            assert worker.of(StepMeasured)
            until_resumed = worker.events[: worker.events.index(worker.of(RunResumed)[0])]
            single_steps = [
                event for event in until_resumed if isinstance(event, TrainProgress) and event.run_id == run
            ]
            assert [event.global_step for event in single_steps] == [1, 2]
            assert engine == "scripted" or any(answer.activations for answer in worker.of(Prediction))
        else:
            worker.wait_for(RunFinished)
        with np.load(tmp_path / run / f"{worker.supervisor.spec.name}.npz") as archive:
            checkpoints.append({name: archive[name] for name in archive.files if name != "facts"})
    worker.finish()
    without, with_requests = checkpoints
    assert without.keys() == with_requests.keys()
    assert [name for name in without if not np.array_equal(without[name], with_requests[name])] == []
    assert violations(worker.events) == []


@pytest.mark.parametrize("engine", ENGINES)
def test_a_fresh_worker_predicts_with_a_saved_model(
    engine: str, warm: Work, work: Work, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    """It predicts what the worker that trained the model did; without a checkpoint, or with a broken one, it reports why."""
    image = tuple(i % 256 for i in range(784))
    trained = warm(engine)
    trained.start(tiny_config, "first", str(tmp_path / "run"))
    trained.wait_for(RunFinished)
    trained.supervisor.send(Predict(request_id=1, image=image))
    expected = trained.wait_for(Prediction)
    assert expected.checkpoint == ""
    trained.finish()

    fresh = work(engine)
    fresh.start()
    fresh.wait_for(WorkerReady)
    fresh.supervisor.send(Predict(request_id=1, image=image))
    assert fresh.wait_for(Prediction).problem == "no model yet"
    (tmp_path / "broken.npz").write_bytes(b"PK")
    fresh.supervisor.send(Predict(request_id=2, image=image, checkpoint=str(tmp_path / "broken.npz")))
    assert "broken.npz" in fresh.wait_for(Prediction).problem
    path = str(tmp_path / "run" / f"{trained.supervisor.spec.name}.npz")
    fresh.supervisor.send(Predict(request_id=3, image=image, checkpoint=path))
    answer = fresh.wait_for(Prediction)
    assert (answer.problem, answer.checkpoint, answer.epoch, answer.global_step) == ("", path, 2, 20)
    assert answer.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
    fresh.start(tiny_config, "second")
    assert fresh.wait_for(RunFinished).outcome == "completed"
    fresh.supervisor.send(Predict(request_id=4, image=image, checkpoint=path))
    assert fresh.wait_for(Prediction).checkpoint == "", "its own model answers from then on"
    fresh.finish()
    assert violations(fresh.events) == []


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_an_engine_shows_what_is_inside_its_network(
    engine: str, warm: Work, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    """The values and the saliency are those that numpy computes from the weights: first the initial ones, then trained ones."""
    worker = warm(engine)
    worker.start(replace(tiny_config, learning_rate=1e-10), "untrained")
    worker.wait_for(RunFinished)
    check_inside(worker, initial_weights(tiny_config.seed))
    worker.start(tiny_config, "trained", str(tmp_path))
    worker.wait_for(RunFinished)
    check_inside(worker, load_model(tmp_path / f"{engine}.npz")[1])
    worker.finish()


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_a_measured_step_shows_how_each_layer_changed(engine: str, warm: Work, small_mnist: Path) -> None:
    """On one batch again and again, momentum sums up one gradient: after t steps the update is rate x gradient x 10 (1 - 0.9^t)."""
    settings = {"optimizer": "sgd", "dropout": 0.0, "learning_rate": 1e-4, "batch_size": 64, "epochs": 2000}
    worker = warm(engine)
    worker.start(
        from_settings({**settings, "limit_train": 64, "limit_test": 10, "data_dir": str(small_mnist), "device": "cpu"})
    )
    worker.wait_for(TrainProgress)
    worker.supervisor.send(MeasureStep())
    measured = worker.wait_for(StepMeasured)
    worker.supervisor.send(Stop())
    worker.wait_for(RunFinished)
    worker.finish()
    assert measured.problem == ""
    assert [change.layer for change in measured.layers] == list(KERNELS)
    for change in measured.layers:
        momentum = 10 * (1 - 0.9**measured.global_step)
        assert change.update == pytest.approx(1e-4 * change.gradient * momentum, rel=0.05)
        assert change.weights > 1000 * change.update > 0
    assert violations(worker.events) == []


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_a_change_of_the_learning_rate_reaches_the_optimizer(engine: str, warm: Work, small_mnist: Path) -> None:
    check_rate_change(warm(engine), small_mnist)


def check_rate_change(worker: Worked, small_mnist: Path) -> None:
    """Without momentum, a step moves each layer by its gradient times the rate, before and after the change."""
    settings = {
        "optimizer": "sgd",
        "momentum": 0.0,
        "dropout": 0.0,
        "learning_rate": 1e-3,
        "batch_size": 64,
        "device": "cpu",
    }
    digits = {"limit_train": 128, "limit_test": 10, "data_dir": str(small_mnist)}
    worker.start(from_settings({**settings, **digits, "epochs": 2000}))
    worker.supervisor.send(Pause())
    worker.supervisor.send(ChangeLearningRate(factor=0.25, global_step=1))
    worker.wait_for(RunPaused)
    for rate in (1e-3, 2.5e-4):
        worker.supervisor.send(Step())
        step = worker.wait_for(StepMeasured)
        assert step.problem == ""
        for change in step.layers:
            assert change.update == pytest.approx(rate * change.gradient, rel=0.02)
    (changed,) = worker.of(LearningRateChanged)
    assert (changed.global_step, changed.before, changed.after) == (1, pytest.approx(1e-3), pytest.approx(2.5e-4))
    worker.supervisor.send(Stop())
    worker.wait_for(RunFinished)
    worker.finish()
    assert violations(worker.events) == []


def test_an_engine_without_inspection_gives_the_reason(warm: Work, small_config: TrainConfig) -> None:
    worker = warm("scripted")
    worker.start(small_config)
    worker.wait_for(RunFinished)
    worker.supervisor.send(Predict(request_id=1, image=(0,) * 784, inside=True))
    answer = worker.wait_for(Prediction)
    assert (answer.activations, answer.problem) == ("", "this engine can't show the inside of its network")
    worker.finish()


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_a_checkpoint_keeps_the_filters_of_the_first_epoch(
    engine: str, warm: Work, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    """They stay in the checkpoint of a run that was resumed; after one epoch, the first weights are what was before."""
    worker = warm(engine)
    first, resumed = (tmp_path / name / f"{engine}.npz" for name in ("first", "resumed"))
    worker.start(replace(tiny_config, epochs=1), "first", str(first.parent))
    worker.wait_for(RunFinished)
    after_first = read_filters(first)
    assert not after_first.after_first_epoch
    assert np.array_equal(after_first.earlier, initial_weights(tiny_config.seed)["conv1.kernel"])
    worker.start(replace(tiny_config, epochs=3), "resumed", str(resumed.parent), str(first))
    assert worker.wait_for((RunFinished, RunFailed)).outcome == "completed"
    read = read_filters(resumed)
    assert read.after_first_epoch
    assert np.array_equal(read.earlier, after_first.kernel)
    assert not np.array_equal(read.earlier, read.kernel)
    worker.finish()


# A third engine

CONTRACT_ONLY = """
from engines.experiment import contract
from tests.support import scripted_engine

def members(protocol):
    return {name for part in protocol.__mro__ for name in {**vars(part), **vars(part).get("__annotations__", {})} if name[0] != "_"}

globals().update({name: getattr(scripted_engine, name) for name in members(contract.EngineModule)})

class Engine:
    def __init__(self, config, digits, weights):
        engine = scripted_engine.Engine(config, digits, weights)
        for name in members(contract.Engine):
            setattr(self, name, getattr(engine, name))
"""
"""The scripted engine without anything that the contract does not name."""


def test_a_third_engine_needs_only_the_contract(
    tmp_path: Path, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An engine trains, predicts, saves and resumes, although it has nothing but what the Protocols name."""
    (tmp_path / "third_engine.py").write_text(CONTRACT_ONLY)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    spec = EngineSpec(name="pytorch", title="Third", module=str(tmp_path / "third_engine.py"), python=sys.executable)
    worker = Worked(spec, tmp_path / "cache")
    worker.start(small_config, "first", str(tmp_path / "first"))
    assert isinstance(worker.wait_for((RunFinished, RunFailed)), RunFinished)
    assert (tmp_path / "first" / "scripted.npy").is_file()
    checkpoint = worker.of(CheckpointSaved)[-1].path
    config = replace(small_config, epochs=3)
    worker.start(config, "resumed", str(tmp_path / "resumed"), checkpoint)
    assert worker.wait_for((RunFinished, RunFailed)).outcome == "completed"
    worker.supervisor.send(Predict(request_id=1, image=(0,) * 784))
    assert worker.wait_for(Prediction).problem == ""
    worker.finish()
    assert violations(worker.events) == []
