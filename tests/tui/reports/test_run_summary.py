"""Summaries of runs in lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.api import RunHistory
from engines.messages.events import DataReady, RunFailed
from tests.support.run_events import life, validated_life
from tui.reports import run_summary


def test_an_interrupted_run_is_summarized_with_the_command_that_continues_it() -> None:
    history = RunHistory("keras")
    for event in [*life()[:9], RunFailed(engine="keras", t=9.0, kind="interrupted", message="m")]:
        history.apply(event)
    assert run_summary.summary_line(history) == "F 1: interrupted in epoch 1, step 2 of 8"
    history.checkpoint = "/else where/run/keras.npz"
    folder = Path("/else where/run")
    assert run_summary.summary_line(history, folder).endswith(
        "continue with: mnist-tui train --resume '/else where/run'"
    )


@pytest.mark.parametrize("dataset", ["drawn", "custom"])
def test_summaries_name_digits_that_are_not_mnist(dataset: str) -> None:
    history = RunHistory("keras")
    for event in life():
        history.apply(event)
    assert "completed: test accuracy 99.20 %" in run_summary.summary_line(history)
    history.apply(
        DataReady(engine="keras", dataset=dataset, source="", sha256="", train_size=1, test_size=1, seconds=0.0)
    )
    assert f"{dataset.upper()} DIGITS, not MNIST" in run_summary.summary_line(history)


def test_the_line_of_a_run_with_held_out_digits_names_both_accuracies() -> None:
    history = RunHistory("keras")
    for event in validated_life():
        history.apply(event)
    line = run_summary.summary_line(history)
    assert "test accuracy 75.00 %" in line
    assert "best validation accuracy 97.50 % in epoch 1" in line
    assert "97 % of held-out digits after" in line
