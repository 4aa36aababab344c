"""Summaries of runs in lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.api import RunHistory
from engines.messages.events import DataReady, RunFailed
from tests.support.run_events import life
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
