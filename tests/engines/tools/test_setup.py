"""Managed environments are planned, made, continued, and used only when complete."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from engines.supervision.registry import completion_marker, engine_spec, managed_python
from engines.tools import setup
from tui.cli import main


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
