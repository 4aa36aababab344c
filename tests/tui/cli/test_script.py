"""The command that prints the stand-alone scripts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engines.api import ENGINES, from_settings, read_start, render_script
from engines.experiment import checkpoint
from engines.experiment.progress import Position
from engines.messages.events import RunRequested, WorkerExited
from engines.runs.directory import RunDirectory
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


def test_a_script_of_a_run_of_a_series_has_one_seed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = from_settings({"seeds": 5, "seed": 1})
    record = RunDirectory(tmp_path / "second", {"keras": config}, series="first")
    record.append(RunRequested(engine="keras", run_id="second", config=config))
    record.append(WorkerExited(engine="keras", run_id="second", returncode=0, signal="", log_tail=()))
    assert main.main(["script", "keras", "--run", "second", "--runs-dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == render_script("keras", from_settings({"seed": 1}))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--out", "keras.py"], "hide the library"),
        (["--out", "pytorch.py"], "hide the library"),  # torchvision tries to import it
        (["--same-weights", "nothing.npz"], "There is no checkpoint"),
        (["--same-weights", __file__], f"mnist-tui: {__file__} is not a checkpoint of mnist-tui, or is damaged.\n"),
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


SAVED = {"seed": 7, "batch_size": 32, "schedule": "cosine", "validation": 500, "limit_train": 24_000}


@pytest.fixture
def saved_checkpoint(tmp_path: Path) -> Path:
    """Write a checkpoint of a run with the settings SAVED, from the start of its second epoch."""
    path = tmp_path / "pytorch.npz"
    digits: Any = SimpleNamespace(train_labels=range(24_000), sha256="")
    engine: Any = SimpleNamespace(weights=dict, state=dict)
    checkpoint.save(path, Position(epoch=2, global_step=735), from_settings(SAVED), digits, engine)
    return path


@pytest.mark.parametrize(
    ("options", "changes", "differs"),
    [
        ([], {}, False),
        (["--epochs", "2", "--optimizer", "sgd"], {"epochs": 2, "optimizer": "sgd", "learning_rate": 0.05}, False),
        (["--seed", "0"], {"seed": 0}, True),
        (["--limit-train", "1000"], {"limit_train": 1_000}, True),
        (["--validation", "0"], {"validation": 0}, True),
        (["--preset", "best"], {"preset": "best", "batch_size": None, "schedule": None, "limit_train": None}, True),
    ],
)
def test_a_script_has_the_settings_of_a_checkpoint(
    options: list[str],
    changes: dict[str, Any],
    differs: bool,
    saved_checkpoint: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main.main(["script", "pytorch", "--same-weights", str(saved_checkpoint), *options]) == 0
    printed = capsys.readouterr().out
    assert printed == render_script("pytorch", from_settings({**SAVED, **changes}), read_start(saved_checkpoint))
    assert ("# The order of the digits is not that of the checkpoint's run, which had seed 7, " in printed) is differs
    assert "# The schedule starts again" in printed


def test_an_option_that_does_not_fit_the_checkpoints_settings_is_refused(
    saved_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["script", "keras", "--same-weights", str(saved_checkpoint), "--limit-train", "100"]) == 2
    assert capsys.readouterr().err == "mnist-tui: validation must be less than limit_train, 100.\n"


def test_a_checkpoint_with_impossible_settings_is_refused(
    saved_checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = dict(np.load(saved_checkpoint))
    np.savez(
        saved_checkpoint, **{**arrays, "facts": np.array(str(arrays["facts"]).replace('"seed": 7', '"seed": "7"'))}
    )
    assert main.main(["script", "pytorch", "--same-weights", str(saved_checkpoint)]) == 2
    assert "seed must be a whole number" in capsys.readouterr().err


def test_a_script_continues_the_order_of_a_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["script", "keras", "--same-weights", str(DEMO.with_name("keras.npz"))]) == 0
    printed = capsys.readouterr().out
    assert "FIRST_EPOCH = 3\n" in printed
    assert "# The optimizer starts again" in printed
