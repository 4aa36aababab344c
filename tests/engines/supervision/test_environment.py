"""Variables, dot files and folders of the user: some reach a worker, others must not."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from engines.config import TrainConfig
from engines.data.sources import KERAS_FOLDER, find_digits
from engines.gpu_selection import driver_id
from engines.messages.events import (
    CheckpointSaved,
    DataReady,
    EvalCompleted,
    LogLine,
    RunFailed,
    RunFinished,
    RunStarted,
    WorkerReady,
)
from engines.preset_configs import from_settings
from engines.supervision import environment
from engines.supervision.environment import DECLARED, OVERRULED, allowed_threads, environment_notes, worker_environment
from engines.supervision.registry import engine_spec
from engines.user_path import APP_FOLDER
from tests.support.engines import Worked, scripted_spec

Work = Callable[..., Worked]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the variables that the user who runs the tests may have set."""
    for name in (*OVERRULED, *DECLARED, "PYTHONPATH", "LD_LIBRARY_PATH", APP_FOLDER, KERAS_FOLDER):
        monkeypatch.delenv(name, raising=False)


def of_a_worker(threads: int = 4) -> dict[str, str]:
    return worker_environment(scripted_spec("keras"), threads, Path("cache"), "/scratch")


def test_variables_that_would_override_the_settings_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = ("PYTHONHOME", "PYTHONWARNINGS", "OPENBLAS_NUM_THREADS", "OMP_THREAD_LIMIT")
    for name in (*OVERRULED, *DECLARED, *ours, "PYTORCH_CUDA_ALLOC_CONF"):
        monkeypatch.setenv(name, "1")
    passed = of_a_worker()
    assert not set(passed) & {*OVERRULED, *ours}
    assert {*DECLARED, "PYTORCH_CUDA_ALLOC_CONF"} <= set(passed)


@pytest.mark.parametrize(
    ("device", "own", "visible"),
    [
        ("cuda:0", None, "0"),
        ("cuda:2", None, "0,1,2"),
        ("cuda:2,cuda:0", None, "0,1,2"),
        ("cuda:1", "5,3,2", "5,3"),
        ("cuda:0", "GPU-8932f9", "GPU-8932f9"),
        ("cuda:4", "5,3", "5,3"),
        ("cpu", None, ""),
        ("cpu,cpu", "5,3", ""),
        ("auto", None, None),
        ("all", "5,3", "5,3"),
        ("", "5,3", "5,3"),
    ],
)
def test_tensorflow_sees_no_gpu_after_the_one_it_needs(
    device: str, own: str | None, visible: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It opens a context on each GPU that it sees; PyTorch does not, and keeps the user's choice."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if own is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", own)
    for name, expected in (("keras", visible), ("pytorch", own)):
        passed = worker_environment(scripted_spec(name), 4, Path("cache"), "/scratch", device)
        assert passed.get("CUDA_VISIBLE_DEVICES") == expected
        for ordinal in range(3):
            before, after = (driver_id(ordinal, variables) for variables in (os.environ, passed))
            assert after in (before, ""), "cuda:N means the same GPU"


def test_variables_that_matter_are_reported() -> None:
    variables = {
        "NVIDIA_TF32_OVERRIDE": "0",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "OMP_THREAD_LIMIT": "2",
        "GOMP_CPU_AFFINITY": "0",
        "TF_VAR_secret": "x",
    }
    overruled, declared = environment_notes(variables)
    assert overruled.endswith("because the run's settings decide instead: NVIDIA_TF32_OVERRIDE.")
    assert declared.endswith(": GOMP_CPU_AFFINITY=0, TF_ENABLE_ONEDNN_OPTS=0."), (
        "one framework's threads may share a core"
    )
    assert list(environment_notes({"OMP_THREAD_LIMIT": "2", "CUDA_VISIBLE_DEVICES": "0"})) == []


@pytest.mark.parametrize(
    ("limit", "threads"), [("1", 1), ("3", 3), ("64", 4), ("", 4), ("0", 4), ("none", 4), ("-1", 4), ("9" * 5000, 4)]
)
def test_never_more_threads_than_openmp_may_start(limit: str, threads: int) -> None:
    assert allowed_threads(4, {"OMP_THREAD_LIMIT": limit}) == threads


def test_keras_gets_its_own_folder_and_digits_in_the_users_are_still_found(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KERAS_HOME may be relative to the app's folder, in which no worker starts."""
    assert of_a_worker()["KERAS_HOME"] == os.devnull
    assert of_a_worker()[KERAS_FOLDER] == str(home / ".keras")
    monkeypatch.setenv("KERAS_HOME", "mine")
    (tmp_path / "mine" / "datasets").mkdir(parents=True)
    (tmp_path / "mine" / "datasets" / "mnist.npz").touch()
    for name, value in of_a_worker().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir("/")
    assert [copy.path for copy in find_digits(None, tmp_path)] == [tmp_path / "mine" / "datasets" / "mnist.npz"]


def test_folders_on_a_search_path_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty entry means the current folder, where a folder called keras would shadow Keras."""
    monkeypatch.setenv("PYTHONPATH", f":mine{os.pathsep}/other")
    assert of_a_worker()["PYTHONPATH"] == f"{tmp_path}/mine{os.pathsep}/other"


@pytest.mark.parametrize("safe", ["", "1"])
def test_a_worker_removes_only_its_own_folder_from_the_path(
    safe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python does not add that folder with PYTHONSAFEPATH, so the first entry is the user's."""
    monkeypatch.setenv("PYTHONSAFEPATH", safe)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    folder = tmp_path / "engines" / "worker"
    folder.parent.mkdir()
    (folder.parent / "__init__.py").touch()
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "channel.py").write_text("exit_now = print")
    (folder / "main.py").write_text("import sys\ndef main(argv): return sys.path")
    shutil.copy(Path(environment.__file__).parents[1] / "worker" / "__main__.py", folder)
    done = subprocess.run([sys.executable, str(folder / "__main__.py"), ""], capture_output=True, text=True)
    assert repr(str(tmp_path)) in done.stdout, done.stderr
    assert repr(str(folder)) not in done.stdout


def test_the_worker_obeys_the_thread_limit_and_the_log_names_the_variables(
    work: Work, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_THREAD_LIMIT", "1")
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    worker = work()
    worker.supervisor.threads = 2
    worker.start(small_config)
    assert worker.wait_for(WorkerReady).num_threads == 1
    assert worker.wait_for(RunStarted).num_threads == 1
    worker.wait_for(RunFinished)
    worker.finish()
    (line,) = [line for line in worker.of(LogLine) if "TF_ENABLE_ONEDNN_OPTS=0" in line.text]
    assert line.run_id == "run", "so that it is stored with the run"


def test_relative_paths_start_at_the_apps_folder(work: Work, small_mnist: Path, tmp_path: Path) -> None:
    shutil.copytree(small_mnist, tmp_path / "digits")
    config = from_settings({"epochs": 1, "batch_size": 64, "data_dir": "digits"})
    worker = work()
    worker.start(config, "first", run_dir="runs/first")
    assert worker.wait_for(DataReady).source == str(tmp_path / "digits")
    assert worker.wait_for(CheckpointSaved).path == str(tmp_path / "runs/first/pytorch.npz")
    worker.wait_for(RunFinished)
    more = dataclasses.replace(config, epochs=2)
    worker.start(more, "second", run_dir="runs/second", resume="runs/first/pytorch.npz")
    assert worker.wait_for(RunFinished, until=lambda e: e.run_id == "second").outcome == "completed"
    worker.finish()


def test_the_path_of_an_interpreter_may_be_relative_to_the_apps_folder(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    assert engine_spec("keras", "bin/python").python == str(tmp_path / "bin" / "python")
    assert engine_spec("keras", "nowhere/python").python == str(tmp_path / "nowhere" / "python")


_HALF_PRECISION = {"floatx": "float16", "epsilon": 0.01, "image_data_format": "channels_first", "backend": "jax"}


def losses(worker: Worked) -> list[float]:
    return [event.loss for event in worker.of(EvalCompleted)]


@pytest.mark.framework
@pytest.mark.fault("input", "a deleted folder, PYTHONWARNINGS=error, and OpenMP told to start fewer threads")
def test_pytorch_computes_the_same_from_a_hostile_shell(
    work: Work, warm: Work, small_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = warm("pytorch")
    calm.start(small_config)
    calm.wait_for(RunFinished)
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    monkeypatch.setenv("OMP_THREAD_LIMIT", "1")
    monkeypatch.setenv("OMP_DYNAMIC", "true")
    monkeypatch.setenv("OMP_MAX_ACTIVE_LEVELS", "0")
    worker = work("pytorch")
    worker.supervisor.threads = 2
    worker.start(small_config)
    assert isinstance(worker.wait_for((RunFinished, RunFailed)), RunFinished)
    worker.finish()
    assert losses(worker) == pytest.approx(losses(calm), rel=1e-3)


@pytest.mark.framework
@pytest.mark.fault("input", "a keras.json for half precision, PYTHONWARNINGS=error, and what numpy will forbid")
def test_keras_computes_the_same_from_a_hostile_home(
    work: Work, warm: Work, small_config: TrainConfig, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = warm("keras")
    calm.start(small_config)
    calm.wait_for(RunFinished)
    (home / ".keras").mkdir(exist_ok=True)
    (home / ".keras" / "keras.json").write_text(json.dumps(_HALF_PRECISION))
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    forbid = "import warnings; warnings.filterwarnings('error', '__array__ implementation')"
    (tmp_path / "sitecustomize.py").write_text(forbid)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    worker = work("keras")
    worker.start(small_config, run_dir=str(tmp_path / "run"))
    assert isinstance(worker.wait_for((RunFinished, RunFailed)), RunFinished)
    worker.finish()
    assert worker.of(CheckpointSaved)
    assert losses(worker) == losses(calm)
    assert json.loads((home / ".keras" / "keras.json").read_text()) == _HALF_PRECISION, "it is the user's"
