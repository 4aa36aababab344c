"""The comparison of saved runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from engines.api import ONE_RUN_CAVEAT, RunHistory
from engines.messages.events import DataReady
from engines.session.replay import DEMO
from tests.support.ended_run import ended_run
from tui.cli import main
from tui.reports import comparison


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
    empty = tmp_path / "empty.jsonl"
    for content in (b"", b"\x00\xff\n" * 9):
        empty.write_bytes(content)
        for words in ([], ["demo"]):
            assert main.main(["compare", *words, str(empty)]) == 2
            assert capsys.readouterr().err.endswith(f"There are no events of a run in {empty}.\n")


def pytorch_runs(correct: Sequence[int], dataset: str = "mnist", **settings: Any) -> list[comparison.Entry]:
    """Return entries of runs of PyTorch, by how many of 10,000 digits each read correctly."""
    runs: list[tuple[str, dict[str, RunHistory]]] = []
    for seed, number in enumerate(correct):
        history = ended_run("pytorch", seed, number, **settings)
        history.apply(DataReady(
            engine="pytorch", dataset=dataset, source="", sha256="0", train_size=1, test_size=10_000, seconds=1.0
        ))  # fmt: skip
        runs.append((f"run {seed}", {"pytorch": history}))
    return comparison.entries(runs)


def test_two_networks_of_one_framework_are_never_called_the_framework() -> None:
    (verdict,) = comparison.verdicts(pytorch_runs([9900, 9800]))
    assert verdict.startswith("1 PyTorch, 2 PyTorch: network 1 (PyTorch) is ahead (one run each). ")
    assert "PyTorch ahead" not in verdict


def test_a_network_that_was_not_tested_has_no_verdict_for_that_reason() -> None:
    entries = pytorch_runs([9900, 9800, 9700])
    entries[1].history.tested = None
    assert comparison.verdicts(entries)[0] == "1 PyTorch, 2 PyTorch: no verdict, because there is no test result of 2"
    entries[0].history.tested = None
    why = [verdict.partition("because ")[2] for verdict in comparison.verdicts(entries)]
    assert why == ["there is no test result of 1 and 2", "there is no test result of 1"]


def test_several_tests_are_corrected_and_it_is_said_once() -> None:
    """Six digits to none have p = 0.031: alone that is ahead, as one of two tests it is not."""
    (alone,) = comparison.verdicts(pytorch_runs([9900, 9894]))
    assert alone.startswith("1 PyTorch, 2 PyTorch: network 1 (PyTorch) is ahead")
    entries = pytorch_runs([9900, 9894, 9894])
    verdicts = comparison.verdicts(entries)
    assert len(verdicts) == 2
    for verdict in verdicts:
        assert ": statistical tie. " in verdict
        assert "p = 0.031 (= 0.062 after Holm's correction)" in verdict
    (note,) = comparison.notes(entries)
    assert note.startswith("The p-values are corrected for 2 tests (Holm)")
    assert comparison.lines(entries).count(note) == 1


def test_one_test_needs_no_correction_and_a_tie_no_caveat() -> None:
    assert comparison.notes(pytorch_runs([9900, 9800])) == [ONE_RUN_CAVEAT]
    assert comparison.notes(pytorch_runs([9900, 9899])) == []


def test_a_comparison_names_digits_that_are_not_mnist(capsys: pytest.CaptureFixture[str]) -> None:
    entries = [*pytorch_runs([9900]), *pytorch_runs([9900, 9900], "custom")]
    assert comparison.notes(entries)[-1] == "2, 3: CUSTOM DIGITS, not MNIST."
    assert [comparison.figures(entry)["dataset"] for entry in entries] == ["mnist", "custom", "custom"]


def test_library_defaults_differ_in_what_each_engine_trained_with() -> None:
    both = {engine: ended_run(engine, 0, 9900, preset="library-defaults") for engine in ("pytorch", "keras")}
    different = comparison.differences(comparison.entries([("run", both)]))
    assert different == {"learning_rate": [1.0, 0.001], "rho": [0.9, 0.95], "epsilon": [1e-6, 1e-7]}


def test_a_run_that_trained_beside_others_differs_in_its_jobs() -> None:
    entries = pytorch_runs([9900, 9900])
    assert "jobs" not in comparison.differences(entries)
    entries[1].history.jobs = 4
    assert comparison.differences(entries)["jobs"] == [1, 4]


def test_the_help_and_the_json_state_the_rate(capsys: pytest.CaptureFixture[str], variants: tuple[Path, Path]) -> None:
    main.main(["compare", "--help"])
    assert "PyTorch against itself" in " ".join(capsys.readouterr().out.split())
    assert main.main(["compare", "--json", "demo", str(variants[0])]) == 0
    assert json.loads(capsys.readouterr().out)["notes"][0].startswith("The p-values are corrected for 3 tests (Holm)")
