"""Managed environments are planned, made, continued, and used only when complete."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engines.monitors.gpu import NvidiaGpus
from engines.supervision.registry import completion_marker, engine_spec, managed_python
from engines.tools import builds, setup
from tui.cli import main

CU126 = "https://download.pytorch.org/whl/cu126"
OLD_DRIVER, NEW_DRIVER = NvidiaGpus(driver="570.86.15", capabilities=((9, 0),)), NvidiaGpus(driver="580.65.06")


@pytest.fixture(autouse=True)
def fake_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine have a new driver, whatever it has."""
    monkeypatch.setattr(builds, "machine_gpus", lambda: NEW_DRIVER)


@pytest.fixture
def half_made() -> Path:
    """Return the interpreter of an environment that holds nothing else; it links to the tests' own."""
    python = managed_python("pytorch")
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    return python


def test_each_framework_has_its_own_cuda(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["setup", "--gpu", "--dry-run"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "install" in line]
    assert len(lines) == 2
    assert "torch" in lines[0]
    assert "tensorflow" not in lines[0]
    assert "tensorflow[and-cuda]" in lines[1]
    assert " torch" not in lines[1]
    assert len({line.split("envs/")[1].split("/")[0] for line in lines}) == 2


def test_keras_on_another_backend_has_an_environment_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["setup", "--framework", "keras", "--keras-backend", "jax", "--gpu", "--dry-run"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "install" in line]
    assert "'jax[cuda12]' keras" in line
    assert "tensorflow" not in line
    managed_python("keras-jax").parent.mkdir(parents=True)
    managed_python("keras-jax").symlink_to(sys.executable)
    completion_marker("keras-jax").write_text("gpu\n")
    assert engine_spec("keras", backend="jax").python == str(managed_python("keras-jax"))
    assert engine_spec("keras").python == engine_spec("keras", backend="torch").python == sys.executable


def test_a_shell_reads_the_commands_as_they_are_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_HOME", str(tmp_path / "a folder"))
    assert main.main(["setup", "--framework", "keras", "--gpu", "--dry-run"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [shlex.split(line) for line in lines] == setup.plan("keras", "gpu")


@pytest.mark.parametrize("uv", ["/usr/bin/uv", None])
@pytest.mark.parametrize(
    ("engine", "own", "others"),
    [("pytorch", ["torch", "torchvision"], ["numpy"]), ("keras-torch", ["torch"], ["keras", "numpy"])],
)
def test_an_old_driver_gets_the_pytorch_for_cuda_12(
    uv: str | None, engine: str, own: list[str], others: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: uv)
    monkeypatch.setattr(builds, "machine_gpus", lambda: OLD_DRIVER)
    _, first, second = setup.plan(engine, "gpu")
    assert first[-2 - len(own) :] == ["--index-url", CU126, *own]
    assert (second[-len(others) :], CU126 in second) == (others, False)
    assert "CUDA 12.6" in setup.advice(engine, "gpu")[0]
    assert (len(setup.plan(engine, "cpu")), setup.advice(engine, "cpu")) == (2, [])
    monkeypatch.setattr(builds, "machine_gpus", lambda: NEW_DRIVER)
    assert (len(setup.plan(engine, "gpu")), setup.advice(engine, "gpu")) == (2, [])


@pytest.mark.parametrize(
    ("installed", "gpus", "cleared"),
    [
        ("torch-2.14.1.dist-info", NEW_DRIVER, False),
        ("torch-2.14.1.dist-info", OLD_DRIVER, True),
        ("torch-2.14.1+cu126.dist-info", OLD_DRIVER, False),
        ("torch-2.14.1+cu126.dist-info", NEW_DRIVER, True),
    ],
)
def test_an_environment_with_another_build_of_pytorch_is_made_again(
    installed: str, gpus: NvidiaGpus, cleared: bool, half_made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pip would keep the other build, and both would write into the same folder for cuDNN."""
    monkeypatch.setattr(builds, "machine_gpus", lambda: gpus)
    (half_made.parents[1] / "lib" / "python3.12" / "site-packages" / installed).mkdir(parents=True)
    assert ("--clear" in setup.plan("pytorch", "gpu")[0]) == cleared
    assert "--clear" not in setup.plan("pytorch", "cpu")[0]


def test_what_is_not_installed_as_usual_is_said_beside_the_commands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(builds, "machine_gpus", lambda: NvidiaGpus(reason="no NVIDIA driver"))
    assert main.main(["setup", "--gpu", "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert "no NVIDIA driver" not in out
    assert [line.count("driver is unknown (no NVIDIA driver)") for line in err.splitlines()] == [1, 1]


def test_tensorflow_has_no_wheel_for_python_3_14(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(builds, "NEWEST_PYTHON", {"tensorflow": (3, 10)})
    assert main.main(["setup", "--gpu", "--dry-run"]) == 1
    out, err = capsys.readouterr()
    assert "torchvision" in out
    assert "TensorFlow has no wheel for Python 3." in err
    assert "mnist-tui setup --gpu --framework keras --keras-backend jax" in err


@pytest.mark.fault("input", "PIP_USER=1, and other variables that make pip install elsewhere")
def test_pip_installs_into_the_environment(half_made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_USER", "PIP_TARGET", "PYTHONPATH"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    pip = setup.plan("pytorch", "cpu")[-1]
    script = "import os; raise SystemExit('PIP_TARGET' in os.environ or 'PYTHONPATH' in os.environ)"
    monkeypatch.setattr(setup, "plan", lambda *_: [[sys.executable, "-c", script]])
    monkeypatch.setitem(setup.IMPORTS, "pytorch", ("json",))
    assert setup.build("pytorch", "cpu", lambda _: None)
    assert "--no-user" in pip, "pip.conf may set user = true"


@pytest.mark.fault("input", "a keras.json that Keras refuses, or no home for a new one: setup imports Keras without it")
def test_setup_imports_keras_without_the_users_configuration(half_made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "import os; raise SystemExit(os.environ.get('KERAS_HOME') != os.devnull)"
    monkeypatch.setattr(setup, "plan", lambda *_: [[sys.executable, "-c", script]])
    monkeypatch.setitem(setup.IMPORTS, "pytorch", ("json",))
    assert setup.build("pytorch", "cpu", lambda _: None)


def test_an_incomplete_environment_is_not_used(half_made: Path) -> None:
    assert engine_spec("pytorch").python == sys.executable
    completion_marker("pytorch").write_text("cpu\n")
    assert engine_spec("pytorch").python == str(half_made)
    assert engine_spec("pytorch").python_source == "made by mnist-tui setup"


@pytest.mark.parametrize(
    ("commands", "imports", "message"),
    [
        ([["false"]], ("json",), "failed with code 1: false. Fix what it printed above"),
        ([["/nowhere/uv"]], ("json",), "/nowhere/uv could not be started"),
        ([["true"]], ("no_such_module",), "import no_such_module"),
    ],
)
def test_a_command_that_fails_is_named_and_leaves_no_marker(
    commands: list[list[str]], imports: tuple[str, ...], message: str, half_made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    completion_marker("pytorch").write_text("cpu\n")
    monkeypatch.setattr(setup, "plan", lambda *_: commands)
    monkeypatch.setitem(setup.IMPORTS, "pytorch", imports)
    with pytest.raises(setup.SetupError, match=message.replace("/", ".")):
        setup.build("pytorch", "cpu", lambda _: None)
    assert engine_spec("pytorch").python == sys.executable


def test_running_setup_again_completes_the_environment(half_made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(setup, "plan", lambda *_: [["true"]])
    monkeypatch.setitem(setup.IMPORTS, "pytorch", ("json",))
    commands: list[str] = []
    assert setup.build("pytorch", "cpu", commands.append) == half_made
    assert commands[0] == "$ true"
    assert engine_spec("pytorch").python == str(half_made)


def test_ctrl_c_leaves_no_marker(half_made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", interrupted)
    assert main.main(["setup", "--framework", "pytorch"]) == 130
    assert not completion_marker("pytorch").exists()
