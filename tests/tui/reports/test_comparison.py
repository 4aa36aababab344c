"""The comparison of saved runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engines.session.replay import DEMO
from tui.cli import main


@pytest.fixture
def variants(tmp_path: Path) -> tuple[Path, Path]:
    """Write the demo with another learning rate, and the demo on other digits."""
    text = DEMO.read_text(encoding="utf-8")
    slower, other_digits = tmp_path / "slower.jsonl", tmp_path / "elsewhere.jsonl"
    slower.write_text(text.replace('"learning_rate":1.0', '"learning_rate":0.5'), encoding="utf-8")
    other_digits.write_text(text.replace('"sha256":"06b0', '"sha256":"ffff'), encoding="utf-8")
    return slower, other_digits


def test_figures_verdicts_and_differing_settings_are_printed(
    variants: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["compare", "demo", *map(str, variants)]) == 0
    printed = capsys.readouterr().out
    assert "98.29 %        98.02 to 98.53 %" in printed
    assert "1 PyTorch, 2 Keras: statistical tie. McNemar's exact test, p = 1.000" in printed
    assert "1 PyTorch, 5 PyTorch: no verdict, because they were not trained and tested on the same digits" in printed
    assert printed.splitlines()[-1].split() == ["learning_rate", "1.0", "1.0", "0.5", "0.5", "1.0", "1.0"]


def test_the_comparison_as_json(variants: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["compare", "--json", "demo", str(variants[0])]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [run["test_accuracy"] for run in printed["runs"]] == [0.9829, 0.9828, 0.9829, 0.9828]
    assert list(printed["differences"]) == ["learning_rate"]
    assert len(printed["verdicts"]) == 3


def test_runs_of_the_same_name_are_named_by_their_paths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [tmp_path / folder / "run.jsonl" for folder in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        path.write_text(DEMO.read_text(encoding="utf-8"), encoding="utf-8")
    assert main.main(["compare", "--json", *map(str, paths)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [run["run"] for run in printed["runs"]] == [str(path) for path in paths for _ in range(2)]


def test_one_run_alone_has_no_differing_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["compare", "demo"]) == 0
    assert capsys.readouterr().out.endswith("All settings are the same.\n")


def test_a_missing_or_empty_run_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["compare", "nowhere"]) == 2
    (tmp_path / "empty.jsonl").write_text("")
    assert main.main(["compare", str(tmp_path / "empty.jsonl")]) == 1
    assert capsys.readouterr().err.endswith("No run was recorded there.\n")
