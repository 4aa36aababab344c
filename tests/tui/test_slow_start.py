"""A run that hangs before it trains while its heart beats on: said by the app's own clock."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines.messages.events import (
    DataProgress,
    EpochStarted,
    Heartbeat,
    RunRequested,
    RunStarted,
    WorkerReady,
    WorkerSpawned,
)
from engines.runs import run_state
from engines.runs.history import RunHistory
from engines.runs.run_state import SLOW_SECONDS
from tests.support.life import CONFIG, life
from tests.support.pilot import SIZES, opened, phases, text_of, until


def test_only_what_comes_before_training_is_slow() -> None:
    one = RunHistory("keras")
    slow = []
    for event in life()[:12]:
        one.apply(event)
        slow.append((type(event), one.is_slow(event.t + SLOW_SECONDS - 1), one.is_slow(event.t + SLOW_SECONDS + 1)))
    assert not any(early for _, early, _ in slow)
    late = {kind for kind, _, late in slow if late}
    assert {WorkerSpawned, WorkerReady, RunStarted, EpochStarted} <= late, "up to the first step"
    assert not one.is_slow(one.last_t + 2 * SLOW_SECONDS), "it trains"


def test_a_beating_heart_is_no_progress_and_a_download_is() -> None:
    one = RunHistory("keras")
    begun = [event for event in life() if isinstance(event, (WorkerSpawned, WorkerReady))]
    for event in (*begun, RunRequested(engine="keras", run_id="r", t=10.0, config=CONFIG)):
        one.apply(event)
    one.apply(Heartbeat(engine="keras", t=100.0))
    assert one.is_slow(100.0)
    one.apply(DataProgress(engine="keras", t=90.0, done_bytes=1, total_bytes=2, source=""))
    assert not one.is_slow(100.0)


@pytest.mark.fault("workers", "hangs in its first step with a beating heart: its pane says so, and which keys end it")
@pytest.mark.parametrize("size", SIZES[:2])
async def test_a_slow_first_step_is_said_in_its_pane(
    size: tuple[int, int], tmp_path: Path, small_mnist: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", "hang@0")
    async with opened(tmp_path, small_mnist, size) as (app, pilot):
        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["first step", "first step"])
        assert not app.screen.query("#panel-keras #notice"), "not yet"
        monkeypatch.setattr(run_state, "SLOW_SECONDS", 0.0)
        await until(pilot, lambda: bool(app.screen.query("#panel-keras #notice")))
        said = text_of(app, "#panel-keras #notice")
        assert "The first step takes unusually long" in said
        assert "a a shift+k ends the worker" in said
        await pilot.press("a", "a", "K")
        await until(pilot, lambda: phases(app)[1] == "failed")
        await until(pilot, lambda: "unusually long" not in text_of(app, "#panel-keras #notice"))
        assert "unusually long" in text_of(app, "#panel-pytorch #notice"), "which still hangs"
