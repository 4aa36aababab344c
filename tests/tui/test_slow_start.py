"""A run that hangs before its first step, while heartbeats continue, is reported by the app's own clock."""

from __future__ import annotations

import io
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from engines.api import ONLY_JOB, Session
from engines.messages.events import (
    DataProgress,
    EpochStarted,
    Heartbeat,
    RunRequested,
    RunStarted,
    TrainProgress,
    WorkerReady,
    WorkerSpawned,
)
from engines.runs import run_state
from engines.runs.history import RunHistory
from engines.runs.run_state import SLOW_SECONDS
from tests.support.pilot import SIZES, opened, phases, text_of, until
from tests.support.run_events import CONFIG, life
from tui.cli import progress
from tui.cli.progress import LineWriter


def test_a_run_is_slow_only_before_it_trains() -> None:
    history = RunHistory("keras")
    rows = []
    for event in life()[:12]:
        history.apply(event)
        before, after = event.t + SLOW_SECONDS - 1, event.t + SLOW_SECONDS + 1
        rows.append((type(event), history.is_slow(before), history.is_slow(after)))
    assert not any(before for _, before, _ in rows)
    slow = {kind for kind, _, after in rows if after}
    assert {WorkerSpawned, WorkerReady, RunStarted, EpochStarted} <= slow, "up to the first step"
    assert not history.is_slow(history.last_t + 2 * SLOW_SECONDS), "it trains"


def test_a_heartbeat_is_no_progress_and_a_download_is() -> None:
    history = RunHistory("keras")
    startup = [event for event in life() if isinstance(event, (WorkerSpawned, WorkerReady))]
    for event in (*startup, RunRequested(engine="keras", run_id="r", t=10.0, config=CONFIG)):
        history.apply(event)
    history.apply(Heartbeat(engine="keras", t=100.0))
    assert history.is_slow(100.0)
    history.apply(DataProgress(engine="keras", t=90.0, done_bytes=1, total_bytes=2, source=""))
    assert not history.is_slow(100.0)


def test_a_slow_first_step_is_a_line_without_the_app(monkeypatch: pytest.MonkeyPatch) -> None:
    history, output = RunHistory("keras"), io.StringIO()
    for event in takewhile(lambda event: not isinstance(event, TrainProgress), life()):
        history.apply(event)
    now = [history.phase_t]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    lines = progress.ProgressLines(
        cast("Session", SimpleNamespace(histories={"keras": history}, job=ONLY_JOB)), LineWriter(output)
    )
    for now[0] in (history.phase_t, history.phase_t + SLOW_SECONDS + 1, history.phase_t + SLOW_SECONDS + 2):
        lines.update()
    assert output.getvalue().splitlines() == [
        "keras    first step (built in 0.50 s)",
        "keras    first step takes unusually long",
    ]


@pytest.mark.fault("workers", "hangs in its first step, with heartbeats: its pane shows it, and the keys that end it")
@pytest.mark.parametrize("size", SIZES[:2])
async def test_a_slow_first_step_is_shown_in_its_pane(
    size: tuple[int, int], tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "hang@0")
    async with opened(tmp_path, small_mnist, size) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["first step", "first step"])
        assert not app.screen.query("#panel-keras #notice"), "not yet"
        monkeypatch.setattr(run_state, "SLOW_SECONDS", 0.0)
        await until(pilot, lambda: bool(app.screen.query("#panel-keras #notice")))
        notice = text_of(app, "#panel-keras #notice")
        assert "The first step takes unusually long" in notice
        assert "a a shift+k ends the worker" in notice
        await pilot.press("a", "a", "K")
        await until(pilot, lambda: phases(app)[1] == "failed")
        await until(pilot, lambda: "unusually long" not in text_of(app, "#panel-keras #notice"))
        assert "unusually long" in text_of(app, "#panel-pytorch #notice"), "which still hangs"
