"""The plain lines of training without the app: one for each new phase and epoch, and the figures every few seconds."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from engines.api import Session
from engines.messages.events import DataReady, Event
from engines.runs.history import RunHistory
from tests.support.run_events import life
from tui.cli import progress
from tui.cli.progress import LINE_SECONDS, LineWriter


def lines_of(events: list[Event], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is written when the lines are updated after each event, at its own time."""
    history, output, now = RunHistory("keras"), io.StringIO(), [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    session = SimpleNamespace(histories={"keras": history}, folder=lambda _: None)
    lines = progress.ProgressLines(cast("Session", session), LineWriter(output))
    for event in events:
        history.apply(event)
        now[0] = event.t
        lines.update()
    return output.getvalue().splitlines()


def test_a_line_for_each_phase_and_epoch_and_for_figures_that_are_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step is at second 6; those of the second epoch come less than five seconds after the line of the first."""
    assert LINE_SECONDS == 5.0
    assert lines_of(life(), monkeypatch) == [
        "keras    importing",
        "keras    loading data (imported in 2.50 s)",
        "keras    building (MNIST: x)",
        "keras    first step (built in 0.50 s)",
        "keras    step 1/8  train loss 1.0000  train accuracy 50.00 %",
        "keras    epoch 1/2  train loss 0.2000  test accuracy 97.50 %  8 img/s",
        "keras    epoch 2/2  train loss 0.2000  test accuracy 99.20 %  8 img/s",
        "keras    finished",
    ]


@pytest.mark.parametrize(
    ("dataset", "name"), [("mnist", "MNIST"), ("custom", "custom digits"), ("drawn", "drawn digits")]
)
def test_the_line_of_the_building_names_the_digits_and_their_source(
    dataset: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [
        replace(event, dataset=dataset, source="/a/folder") if isinstance(event, DataReady) else event
        for event in life()
    ]
    assert f"keras    building ({name}: /a/folder)" in lines_of(events, monkeypatch)
