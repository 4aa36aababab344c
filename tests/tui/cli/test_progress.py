"""The plain lines of training without the app: one for each new phase and epoch, and the figures every few seconds."""

from __future__ import annotations

import io
from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from engines.api import ONLY_JOB, Session
from engines.messages.events import DataReady, Event
from engines.runs.history import RunHistory
from engines.session.jobs import Job
from tests.support.run_events import life
from tui.cli import progress
from tui.cli.progress import LINE_SECONDS, LineWriter


def lines_of(events: list[Event], monkeypatch: pytest.MonkeyPatch, job: Job = ONLY_JOB) -> list[str]:
    """Return what is written when the lines are updated after each event, at its own time."""
    history, output, now = RunHistory("keras"), io.StringIO(), [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    session = SimpleNamespace(histories={"keras": history}, folder=lambda _: None, job=job)
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


def test_each_run_of_a_series_has_the_lines_of_its_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    request, _, _, *rest = life()  # the worker lives on
    again = [replace(event, run_id="second", t=event.t + 100) for event in (request, *rest)]
    epochs = [line for line in lines_of([*life(), *again], monkeypatch) if " epoch " in line]
    assert epochs == 2 * [
        "keras    epoch 1/2  train loss 0.2000  test accuracy 97.50 %  8 img/s",
        "keras    epoch 2/2  train loss 0.2000  test accuracy 99.20 %  8 img/s",
    ]


def test_a_line_of_a_job_names_its_seed_and_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device is the one that was chosen for the job, until the worker has started the run on it."""
    lines = lines_of(life(), monkeypatch, Job(count=2, devices={"keras": "cuda:3"}))
    assert lines[0] == "keras    seed 0 on cuda:3  importing"
    assert "keras    seed 0 on cpu  epoch 1/2  train loss 0.2000  test accuracy 97.50 %  8 img/s" in lines
    assert len([line for line in lines if line.startswith("keras    seed 0 on ")]) == len(lines)


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
