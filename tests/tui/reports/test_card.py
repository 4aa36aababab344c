"""The card's words: whose verdict it is, which digits, and which settings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from engines.api import ONE_RUN_CAVEAT, MachineHistory, RunHistory, compare_answers
from engines.messages.events import DataReady, LearningRateChanged
from tests.support.ended_run import ended_run
from tests.support.run_events import validated_life
from tui.reports import card


def race(correct: tuple[int, int], datasets: tuple[str, str] = ("mnist", "mnist"), **settings: Any) -> card.Report:
    """Return the card of a race in which PyTorch and Keras read so many of 10,000 digits correctly."""
    histories: dict[str, RunHistory] = {}
    for engine, number, dataset in zip(("pytorch", "keras"), correct, datasets, strict=True):
        histories[engine] = ended_run(engine, 5, number, **settings)
        histories[engine].apply(DataReady(
            engine=engine, dataset=dataset, source="", sha256="0", train_size=12_800, test_size=10_000, seconds=1.0
        ))  # fmt: skip
    report = card.report(histories, MachineHistory())
    assert report is not None
    return report


def rows_of(report: card.Report) -> dict[str, tuple[str, ...]]:
    """Return the values of each row by its label."""
    return {row.label: row.values for _, rows in report.groups for row in rows}


def test_a_clear_difference_comes_with_the_rate_of_the_same_framework() -> None:
    """It says how often networks that differ by rounding alone are called ahead; a tie needs no warning."""
    report = race((9900, 9800))
    assert report.verdict == "this PyTorch network is ahead (one seed)"
    assert report.why.endswith(ONE_RUN_CAVEAT)
    assert "PyTorch against itself" in ONE_RUN_CAVEAT
    assert "% of" in ONE_RUN_CAVEAT
    for text in (card.markdown(report), card.html(report)):
        assert "PyTorch against itself" in text
    assert "against itself" not in race((9900, 9899)).why


def test_a_changed_run_is_no_reference_and_other_digits_are_not_mnist() -> None:
    report = race((9900, 9899), ("custom", "custom"), optimizer="sgd", dropout=0.0)
    assert report.title.startswith("CUSTOM DIGITS, not MNIST · reference, changed: optimizer sgd, dropout 0 · seed 5")
    rows = rows_of(report)
    assert rows["optimizer"] == 2 * ("sgd, learning rate 0.05",)
    assert rows["dropout"] == 2 * ("0",)
    assert (rows["training digits"], rows["test digits"]) == (2 * ("12,800",), 2 * ("10,000",))
    assert report.title in card.markdown(report)


@pytest.mark.parametrize("datasets", [("mnist", "drawn"), ("drawn", "mnist")])
def test_a_card_of_two_sets_of_digits_names_both(datasets: tuple[str, str]) -> None:
    """A download may fail for one of the workers."""
    title = race((9900, 9800), datasets).title
    assert "DRAWN DIGITS, not MNIST" in title
    assert "MNIST" in title.replace("DRAWN DIGITS, not MNIST", "")


def test_library_defaults_are_those_that_each_engine_trained_with() -> None:
    report = race((9900, 9899), preset="library-defaults")
    assert " · library-defaults · " in report.title
    assert rows_of(report)["optimizer"] == ("adadelta, learning rate 1", "adadelta, learning rate 0.001")


def test_a_learning_rate_that_was_changed_by_hand_is_on_the_card() -> None:
    assert "learning rate, by hand" not in rows_of(race((9900, 9899)))
    histories = {engine: ended_run(engine, 5, 9900) for engine in ("pytorch", "keras")}
    for step, before, after in ((1_250, 1.0, 0.5), (2_000, 0.5, 0.05)):
        change = LearningRateChanged(engine="keras", global_step=step, before=before, after=after, requested_step=step)
        histories["keras"].apply(change)
    report = card.report(histories, MachineHistory())
    assert report is not None
    assert rows_of(report)["learning rate, by hand"] == (
        "unchanged",
        "1 to 0.5 after step 1,250; 0.5 to 0.05 after step 2,000",
    )
    assert "reference · learning rate changed by hand · seed 5" in report.title


def validated(engine: str = "keras") -> RunHistory:
    """Return the history of a run that 16 held-out digits judged."""
    history = RunHistory(engine)
    for event in validated_life():
        history.apply(replace(event, engine=engine))
    return history


def test_a_card_says_which_digits_chose_the_epoch() -> None:
    test_digits = rows_of(race((9900, 9899)))
    assert test_digits["best epoch"] == (
        "1: 99.00 %, chosen by the test digits",
        "1: 98.99 %, chosen by the test digits",
    )
    assert "validation accuracy" not in test_digits
    assert "held-out digits" not in test_digits
    report = card.report({"keras": validated()}, MachineHistory())
    assert report is not None
    rows = rows_of(report)
    assert rows["test accuracy"] == ("75.00 %",)
    assert rows["validation accuracy"] == ("96.00 %",)
    assert rows["best epoch"] == ("1: 97.50 %, chosen by 16 held-out digits",)
    assert rows["held-out digits"] == ("16, SHA-256 1",)
    assert (rows["training digits"], rows["test digits"]) == (("16",), ("8",))
    assert rows["to 97 % of held-out digits"][0].startswith("00:11 wall")
    assert "validation 16" in report.title


def test_networks_are_compared_on_the_test_digits_alone() -> None:
    histories = {engine: validated(engine) for engine in ("pytorch", "keras")}
    report = card.report(histories, MachineHistory())
    assert report is not None
    assert "of 8" not in report.why
    answers = compare_answers(*histories.values())
    assert answers is not None
    assert (answers.only_first, answers.only_second, answers.differ) == (0, 0, 0)
    histories["keras"].tested = None
    assert compare_answers(*histories.values()) is None
