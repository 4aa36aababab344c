"""Keras on PyTorch, and on JAX where it is installed: the same contract, the same numbers, no framework but its own."""

from __future__ import annotations

import dataclasses
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engines.api import (
    EngineSpec,
    ResumeError,
    TrainConfig,
    display_name,
    engine_spec,
    for_backend,
    from_settings,
)
from engines.config import engine_id
from engines.data.synthetic import draw
from engines.experiment.checkpoint import load_model
from engines.messages.events import (
    EpochCompleted,
    EvalCompleted,
    RunFinished,
    TrainProgress,
    WorkerReady,
    WorkerSpawned,
)
from engines.runs.resume import find_resume_points
from engines.runs.run_list import parse_filter, summarize
from engines.session import session
from engines.session.session import Session
from engines.tools.engine_checks import engine_findings
from tests.engines.experiment.test_contract import check_rate_change, check_two_runs
from tests.support.digits import write_idx
from tests.support.engines import JAX_PYTHON, Worked, check_inside, scripted_spec, spec_of
from tui.cli import main

BACKENDS_HERE = ["keras-torch", *(["keras-jax"] if JAX_PYTHON or importlib.util.find_spec("jax") else [])]
"""The backends that can be tested on this machine."""
FRAMEWORK = {"keras": "TensorFlow", "keras-torch": "PyTorch", "keras-jax": "JAX"}
Work = Callable[[str], Worked]


@pytest.mark.framework
@pytest.mark.linux("/proc")
@pytest.mark.parametrize("engine", BACKENDS_HERE)
def test_a_backend_keeps_the_contract(engine: str, warm: Work, tiny_config: TrainConfig, tmp_path: Path) -> None:
    """Two runs follow the grammar, and the worker loads no other framework, not even to save its model."""
    worker = warm(engine)
    check_two_runs(worker, tiny_config, tmp_path)
    assert (tmp_path / "run" / "keras.keras").is_file()
    maps = Path(f"/proc/{worker.supervisor.pid}/maps")
    loaded = maps.read_text() if maps.exists() else ""
    for other in {"tensorflow", "libtorch", "jaxlib"} - {{"keras-torch": "libtorch", "keras-jax": "jaxlib"}[engine]}:
        assert other not in loaded


@pytest.mark.framework
@pytest.mark.parametrize("engine", BACKENDS_HERE)
def test_a_change_of_the_learning_rate_reaches_the_optimizer(engine: str, warm: Work, small_mnist: Path) -> None:
    check_rate_change(warm(engine), small_mnist)


@pytest.mark.framework
def test_the_losses_are_those_of_tensorflow(warm: Work, tmp_path: Path) -> None:
    """Each optimizer leads to the same losses, with dropout off, a changing learning rate and a short last batch."""
    images, labels = draw(150, 3, lambda *_: None, lambda: False)
    write_idx(tmp_path / "digits", images[:100], labels[:100], "train")
    write_idx(tmp_path / "digits", images[100:], labels[100:], "t10k")
    losses: dict[str, list[list[float]]] = {}
    for engine in ("keras", *BACKENDS_HERE):
        worker, losses[engine] = warm(engine), []
        for optimizer, rate in (("adadelta", 0.1), ("sgd", 0.001), ("adam", 0.001), ("adamw", 0.001)):
            settings = {"epochs": 1, "batch_size": 32, "dropout": 0.0, "schedule": "cosine", "device": "cpu"}
            digits = {"data_dir": str(tmp_path / "digits")}
            worker.start(
                from_settings({**settings, **digits, "optimizer": optimizer, "learning_rate": rate}), optimizer
            )
            worker.wait_for(RunFinished)
            first, epoch, test = worker.of(TrainProgress), worker.of(EpochCompleted)[-1], worker.of(EvalCompleted)[-1]
            start = next(event for event in first if event.run_id == optimizer)
            losses[engine].append([start.loss, epoch.train_loss, test.loss])
        ready = worker.of(WorkerReady)[0]
        assert f" on {FRAMEWORK[engine]} " in ready.framework
        if engine in BACKENDS_HERE:
            _check_resumed_run(worker, tmp_path)
        worker.finish()
    for engine in BACKENDS_HERE:
        assert losses[engine] == [pytest.approx(expected, abs=2e-5) for expected in losses["keras"]]


def _check_resumed_run(worker: Worked, folder: Path) -> None:
    """Two epochs at once and two with an interruption are equal bit for bit, with dropout and augmentation."""
    checkpoints, place = [], folder / worker.supervisor.spec.module
    for run, epochs, resume in (("uninterrupted", 2, ""), ("first-epoch", 1, ""), ("resumed", 2, "first-epoch")):
        settings = {"epochs": epochs, "batch_size": 32, "augment": "affine", "device": "cpu", "optimizer": "adam"}
        config = from_settings({**settings, "data_dir": str(folder / "digits")})
        worker.start(config, run, str(place / run), resume=str(place / resume / "keras.npz") if resume else "")
        worker.wait_for(RunFinished)
        with np.load(place / run / "keras.npz") as archive:
            checkpoints.append({name: archive[name] for name in archive.files if name != "facts"})
    check_inside(worker, load_model(place / "resumed" / "keras.npz")[1])
    assert [name for name in checkpoints[0] if not np.array_equal(checkpoints[0][name], checkpoints[2][name])] == []
    assert not np.array_equal(checkpoints[0]["weights.conv1.kernel"], checkpoints[1]["weights.conv1.kernel"])


@pytest.mark.framework
@pytest.mark.parametrize("engine", BACKENDS_HERE)
def test_the_doctor_tests_the_chosen_backend(engine: str, tmp_path: Path) -> None:
    found = list(engine_findings(spec_of(engine), tmp_path))
    assert f" on {FRAMEWORK[engine]} " in found[0].text
    assert any("convolution forward and backward in" in finding.text for finding in found)
    assert not [finding for finding in found if finding.state == "bad" or finding.subject == "XLA"]


# Which worker


def test_a_backend_has_its_own_id_and_display_name() -> None:
    assert [engine_id("keras", one) for one in ("tensorflow", "jax")] == ["keras", "keras-jax"]
    assert engine_id("pytorch", "jax") == "pytorch"
    assert [display_name("keras", one) for one in ("tensorflow", "jax", "torch")] == [
        "Keras",
        "Keras on JAX",
        "Keras on PyTorch",
    ]
    assert display_name("pytorch", "jax") == "PyTorch"


def test_another_backend_needs_another_worker_and_keeps_a_named_interpreter() -> None:
    assert for_backend(engine_spec("pytorch"), "jax") == engine_spec("pytorch")
    named = for_backend(engine_spec("keras", "/somewhere/python"), "jax")
    assert (named.module, named.backend, named.python) == (
        "engines.keras_jax.engine",
        "jax",
        "/somewhere/python",
    )
    assert for_backend(named, "tensorflow") == engine_spec("keras", "/somewhere/python")
    assert for_backend(engine_spec("keras"), "torch") == engine_spec("keras", backend="torch")


def test_a_run_on_another_backend_gets_a_new_worker(
    tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run on the same backend gets the warm one."""
    import threading

    def scripted(spec: EngineSpec, backend: str) -> EngineSpec:
        return dataclasses.replace(spec, backend=backend)

    monkeypatch.setattr(session, "for_backend", scripted)
    events: list[Any] = []
    at_work = Session(
        [scripted_spec("keras")],
        lambda _, live: threading.Thread(target=live, daemon=True).start(),
        cache_dir=tmp_path,
        runs_dir=None,
        on_event=events.append,
    )
    for backend in ("tensorflow", "torch", "torch"):
        config = from_settings({"epochs": 1, "data_dir": str(small_mnist), "keras_backend": backend})
        at_work.start({"keras": config})
        ended = threading.Event()
        while at_work.running:
            ended.wait(0.02)
            at_work.drain()
    assert at_work.close()
    assert sum(isinstance(event, WorkerSpawned) for event in events) == 2
    assert sum(isinstance(event, RunFinished) for event in events) == 3


# Labels


def test_a_resumed_run_keeps_its_backend(tmp_path: Path) -> None:
    with pytest.raises(ResumeError, match="keeps its keras backend"):
        find_resume_points(tmp_path, {"keras_backend": "jax"})


def test_the_list_of_runs_filters_by_backend() -> None:
    run = summarize({"id": "x", "engines": {"keras": {"keras_backend": "jax"}}, "summary": {}})
    assert parse_filter("backend:jax")(run)
    assert not parse_filter("backend:torch")(run)


def test_the_command_shows_the_code_that_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["code", "--no-hyperparameters", "--width", "200", "--keras-backend", "jax"]) == 0
    printed = capsys.readouterr().out
    assert any("Keras on JAX, this app's engine: " in line for line in printed.splitlines()), (
        "the engines, below the scripts"
    )
    assert "jax.grad(" in printed
    assert "GradientTape" not in printed


def test_an_unknown_backend_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["train", "--keras-backend", "numpy"]) == 2
    assert "torch" in capsys.readouterr().err
