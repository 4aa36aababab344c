"""Tests of one engine on several devices: the same training as on one, resumed runs, and replicas that die."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from engines.config import TrainConfig
from engines.experiment.checkpoint import read_position
from engines.messages.commands import Stop
from engines.messages.events import (
    EpochCompleted,
    EvalCompleted,
    ModelReady,
    RunFailed,
    RunFinished,
    RunStarted,
    TrainProgress,
    WorkerExited,
    WorkerReady,
)
from engines.messages.grammar import violations
from engines.preset_configs import from_settings
from tests.support.engines import Worked, spec_of

pytestmark = pytest.mark.framework


@pytest.fixture(scope="module", params=["pytorch", "keras"])
def worker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worked]:
    """Yield one warm worker for all the runs of an engine."""
    worked = Worked(spec_of(request.param), tmp_path_factory.mktemp("cache"))
    yield worked
    if worked.thread.is_alive():
        worked.supervisor.kill()
        worked.thread.join(10)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of all runs' checkpoints."""
    return tmp_path_factory.mktemp("runs")


def config_of(digits: Path, **settings: object) -> TrainConfig:
    """Return settings with batches of 29, 29 and 1: two replicas get unequal shares, and one gets nothing of the last."""
    small = {"epochs": 2, "batch_size": 29, "limit_train": 59, "limit_test": 20, "data_dir": str(digits)}
    return from_settings({**small, **settings})


def run(worker: Worked, run_id: str, config: TrainConfig, folder: Path, resume: str = "") -> dict[str, np.ndarray]:
    """Train a run and return the arrays of its checkpoint."""
    worker.start(config, run_id, str(folder / run_id), resume)
    ended = worker.wait_for((RunFinished, RunFailed))
    assert isinstance(ended, RunFinished), ended
    with np.load(checkpoint(worker, folder, run_id)) as archive:
        return {name: archive[name] for name in archive.files if name != "facts"}


def checkpoint(worker: Worked, folder: Path, run_id: str) -> Path:
    return folder / run_id / f"{worker.supervisor.spec.name}.npz"


def replicas_of(worker: Worked) -> list[psutil.Process]:
    """Return the other replicas' processes: one for PyTorch, none for Keras."""
    children = psutil.Process(worker.of(WorkerReady)[0].pid).children()
    assert len(children) == {"pytorch": 1, "keras": 0}[worker.supervisor.spec.name]
    return children


@pytest.mark.parametrize(
    ("worker", "optimizer"),
    [
        ("pytorch", "adadelta"),
        ("keras", "adadelta"),
        ("keras", "sgd"),
        ("keras", "adamw"),
    ],  # the Keras engine's own updates
    indirect=["worker"],
    scope="module",
)
def test_two_replicas_train_as_one_device_does(optimizer: str, worker: Worked, small_mnist: Path, runs: Path) -> None:
    """Losses and weights are those of one device within rounding, though each replica sees only its share."""
    rate = {"adadelta": 0.1, "sgd": 0.01, "adamw": 0.0005}[optimizer]
    checkpoints = {}
    for device in ("cpu", "cpu,cpu"):
        config = config_of(
            small_mnist, device=device, dropout=0.0, optimizer=optimizer, learning_rate=rate, schedule="cosine"
        )
        checkpoints[device] = run(worker, f"{optimizer} on {device}", config, runs)
        assert worker.of(RunStarted)[-1].device == device
    for kind in (EpochCompleted, EvalCompleted):
        losses = [e.train_loss if kind is EpochCompleted else e.loss for e in worker.of(kind)[-4:]]
        assert losses[2:] == pytest.approx(losses[:2], rel=1e-5), kind
    assert [e.train_accuracy for e in worker.of(EpochCompleted)[-4:-2]] == [
        e.train_accuracy for e in worker.of(EpochCompleted)[-2:]
    ]
    for name, value in checkpoints["cpu"].items():
        if name.startswith("weights."):
            np.testing.assert_allclose(checkpoints["cpu,cpu"][name], value, rtol=0, atol=2e-5, err_msg=name)
    assert violations(worker.events) == []


@pytest.mark.fault(
    "workers", "several devices: a replica is killed, or all are stopped, in mid-epoch; then the run is resumed"
)
def test_an_interrupted_run_resumes_exactly(worker: Worked, small_mnist: Path, runs: Path) -> None:
    """After a killed replica or a stop in mid-epoch, weights, slots and all random states end equal bit for bit.

    A worker whose replica was killed ends, because its group can't be destroyed; the next run gets a new one.
    """
    endless = config_of(small_mnist, device="cpu,cpu", epochs=10_000)
    worker.start(endless, "cut", str(runs / "cut"))
    worker.wait_for(ModelReady)
    worker.wait_for(TrainProgress, until=lambda event: event.epoch == 2)
    replicas = replicas_of(worker)
    if replicas:
        replicas[0].kill()
        failed = worker.wait_for(RunFailed, timeout=20)
        assert failed.kind == "crashed"
        assert failed.message == "The replica on cpu was ended by SIGKILL."
        assert "Restart" in failed.hint
        exited = worker.wait_for(WorkerExited, timeout=20)
        assert (exited.returncode, exited.signal) == (0, "")
        assert psutil.wait_procs(replicas, timeout=10)[1] == []
        assert violations(worker.events) == []
        worker.thread.join(10)
    else:
        worker.supervisor.send(Stop())
        assert worker.wait_for(RunFinished).outcome == "stopped"
    path = checkpoint(worker, runs, "cut")
    config = config_of(small_mnist, device="cpu,cpu", epochs=read_position(path).epoch)
    resumed = run(worker, "resumed", config, runs, str(path))
    uninterrupted = run(worker, "uninterrupted", config, runs)
    assert resumed.keys() == uninterrupted.keys()
    assert [name for name in resumed if not np.array_equal(resumed[name], uninterrupted[name])] == []
    random = [name for name in resumed if name.startswith("state.random.")]
    first, second = next((resumed[name], resumed[f"{name}.1"]) for name in random if f"{name}.1" in random)
    assert not np.array_equal(first, second), "each replica has masks of its own"
    assert len(worker.of(WorkerReady)) == 1, "all runs that ended well are in one warm worker"
    assert violations(worker.events) == []


def test_all_needs_a_gpu(worker: Worked, small_mnist: Path) -> None:
    """The device "all" means every GPU; without one the run fails with the reason. No replica of the run before is left."""
    worker.start(config_of(small_mnist, device="all", epochs=1), "all")
    ended = worker.wait_for((RunFailed, RunFinished))
    ready = worker.of(WorkerReady)[0]
    assert psutil.Process(ready.pid).children() == []
    assert psutil.Process(ready.pid).net_connections("inet") == []
    gpus = [device for device in ready.devices if device.usable and device.id != "cpu"]
    if gpus:
        assert worker.of(RunStarted)[-1].device == ",".join(device.id for device in gpus)
        return
    assert ended.kind == "device"
    assert ended.message.startswith("There is no GPU here: ")


@pytest.mark.fault(
    "workers", "several devices: the worker is killed; no replica outlives it or listens to other machines"
)
def test_replicas_end_with_their_worker(worker: Worked, small_mnist: Path) -> None:
    """Replicas end when their worker is killed, and listen only on the loopback interface."""
    worker.start(config_of(small_mnist, device="cpu,cpu", epochs=10_000), "last")
    worker.wait_for(TrainProgress)
    replicas = replicas_of(worker)
    pid = worker.of(WorkerReady)[0].pid
    for process in (psutil.Process(pid), *replicas):
        assert {connection.laddr.ip for connection in process.net_connections("inet")} <= {"127.0.0.1", "::1"}
    os.kill(pid, signal.SIGKILL)
    worker.wait_for(WorkerExited)
    assert psutil.wait_procs(replicas, timeout=10)[1] == []
    worker.thread.join(10)
