"""Kept runs beside one another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engines.session.replay import DEMO
from tui.cli import main


@pytest.fixture
def others(tmp_path: Path) -> tuple[Path, Path]:
    """The demo with another learning rate, and the demo on other digits."""
    text = DEMO.read_text(encoding="utf-8")
    slower, elsewhere = tmp_path / "slower.jsonl", tmp_path / "elsewhere.jsonl"
    slower.write_text(text.replace('"learning_rate":1.0', '"learning_rate":0.5'), encoding="utf-8")
    elsewhere.write_text(text.replace('"sha256":"06b0', '"sha256":"ffff'), encoding="utf-8")
    return slower, elsewhere


def test_figures_verdicts_and_what_differs(others: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["compare", "demo", *map(str, others)]) == 0
    said = capsys.readouterr().out
    assert "98.29 %        98.02 to 98.53 %" in said
    assert "1 PyTorch, 2 Keras: statistical tie. McNemar's exact test, p = 1.000" in said
    assert "1 PyTorch, 5 PyTorch: no verdict, because they were not trained and tested on the same digits" in said
    assert said.splitlines()[-1].split() == ["learning_rate", "1.0", "1.0", "0.5", "0.5", "1.0", "1.0"]


def test_as_json(others: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["compare", "--json", "demo", str(others[0])]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [run["test_accuracy"] for run in said["runs"]] == [0.9829, 0.9828, 0.9829, 0.9828]
    assert list(said["differences"]) == ["learning_rate"]
    assert len(said["verdicts"]) == 3


def test_runs_of_one_name_are_told_apart_by_their_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / folder / "run.jsonl" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(DEMO.read_text(encoding="utf-8"), encoding="utf-8")
    assert main.main(["compare", "--json", *map(str, paths)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [run["run"] for run in said["runs"]] == [str(path) for path in paths for _ in range(2)]


def test_one_run_alone_differs_in_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["compare", "demo"]) == 0
    assert capsys.readouterr().out.endswith("All settings are the same.\n")


def test_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["compare", "nowhere"]) == 2
    (tmp_path / "empty.jsonl").write_text("")
    assert main.main(["compare", str(tmp_path / "empty.jsonl")]) == 1
    assert capsys.readouterr().err.endswith("No run was recorded there.\n")
