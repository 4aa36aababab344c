"""The card's words: whose verdict it is, which digits, and which settings."""

from __future__ import annotations

from typing import Any

import pytest

from engines.api import ONE_RUN_CAVEAT, MachineHistory, RunHistory
from engines.messages.events import DataReady
from tests.support.ended_run import ended_run
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
