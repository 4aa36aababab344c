"""The command that prints the stand-alone scripts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engines.api import ENGINES, from_settings, render_script
from engines.session.replay import DEMO
from tests.support.programs import ROOT
from tui.cli import main


def test_a_script_is_printed_or_written_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    expected = render_script("keras", from_settings({"preset": "best", "seed": 3}))
    command = ["script", "keras", "--preset", "best", "--seed", "3"]
    assert main.main(command) == 0
    assert capsys.readouterr().out == expected
    path = tmp_path / "mnist.py"
    assert main.main([*command, "--out", str(path)]) == 0
    assert path.read_text(encoding="utf-8") == expected
    assert main.main(["script", "keras", "--out", str(path)]) == 1
    assert main.main(["script", "keras", "--out", str(path), "--force"]) == 0
    assert path.read_text(encoding="utf-8") == render_script("keras", from_settings({}))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_script_has_the_settings_of_a_run(engine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["script", engine, "--run", "demo", "--optimizer", "sgd"]) == 0
    assert capsys.readouterr().out == render_script(engine, from_settings({"epochs": 2, "optimizer": "sgd"}))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--out", "keras.py"], "hide the library"),
        (["--out", "pytorch.py"], "hide the library"),  # torchvision tries to import it
        (["--same-weights", "nothing.npz"], "There is no checkpoint"),
        (["--same-weights", __file__], "can't be read"),
        (["--same-weights", ""], "--same-weights needs a file."),
        (["--run", ""], "--run needs the name of a run."),
        (["--out", ""], "--out needs a file."),
        (["--run", "nothing"], "no run"),
        (["--dropout", "0.7"], "at most 0.49"),
    ],
)
def test_what_cannot_be_used_is_said(options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["script", "pytorch", *options]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.linux("/proc/self/fd")
@pytest.mark.parametrize(("name", "warning"), [("keras.py", "rename keras.py before you run it"), ("train.py", "")])
def test_a_redirected_script_that_would_hide_its_library_is_noticed(name: str, warning: str, tmp_path: Path) -> None:
    with open(tmp_path / name, "w") as file:
        command = [sys.executable, "-m", "tui", "script", "keras"]
        done = subprocess.run(command, stdout=file, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert (tmp_path / name).read_text().startswith('"""')
    assert done.returncode == 0
    assert warning in done.stderr
    assert bool(done.stderr) == bool(warning)


def test_a_script_continues_the_order_of_a_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["script", "keras", "--same-weights", str(DEMO.with_name("keras.npz"))]) == 0
    printed = capsys.readouterr().out
    assert "FIRST_EPOCH = 3\n" in printed
    assert "# The optimizer begins anew" in printed
