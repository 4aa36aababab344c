"""A paused run's single steps in its pane: figures, what moved, and keys that train the next one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engines.api import LayerChange, RunHistory, StepMeasured
from engines.messages.events import RunPaused, RunResumed
from tests.support.histories import simulated_run
from tests.support.pilot import key_bar_of, opened, phases, until
from tui.widgets.notice import Notice
from tui.widgets.single_step import WIDTH, step_text

STEP = StepMeasured(
    engine="keras",
    t=101.0,
    global_step=1_234_567,
    loss=2.30259,
    correct=128,
    samples=128,
    layers=tuple(
        LayerChange(layer=layer, gradient=1.2e-2, weights=2.0, update=update)
        for layer, update in (("conv1", 2e-3), ("conv2", 2e-5), ("dense1", 2e-1), ("dense2", 0.0))
    ),
)


@pytest.fixture
def paused() -> RunHistory:
    history = simulated_run("keras", 0.1)
    history.apply(RunPaused(engine="keras", t=100.0))
    return history


def test_the_figures_of_a_single_step(paused: RunHistory) -> None:
    assert step_text(paused) == "", "a run that is only paused shows its curves"
    paused.apply(STEP)
    lines = step_text(paused).splitlines()
    assert lines[:2] == ["Step 1,234,567: loss 2.3026", "128 of 128 right: 100.0 %"]
    assert lines[3:7] == [
        "conv1    -3.0  2.0e-03  1.2e-02",
        "conv2    -5.0  2.0e-05  1.2e-02",
        "dense1   -1.0  2.0e-01  1.2e-02",
        "dense2   -inf  0.0e+00  1.2e-02",
    ]
    assert max(map(len, lines)) <= WIDTH, "the room in a pane at 80 columns"
    paused.apply(RunResumed(engine="keras", t=102.0))
    assert step_text(paused) == ""


def test_without_the_layers_it_says_why(paused: RunHistory) -> None:
    paused.apply(replace(STEP, layers=(), problem="no module\x1b[2J for it, and no room here"))
    assert step_text(paused).splitlines()[2:] == ["What moved: n/a, no module for", "it, and no room here"]


def test_a_step_that_was_measured_before_the_pause_is_no_single_step(paused: RunHistory) -> None:
    paused.apply(replace(STEP, t=99.0))
    assert step_text(paused) == ""


async def test_a_key_trains_one_step_of_both_or_of_one(tmp_path: Path, small_mnist: Path) -> None:
    async with opened(tmp_path, small_mnist, (80, 24), epochs=1000) as (app, pilot):
        histories = app.session.histories

        def steps() -> list[int]:
            return [history.global_step for history in histories.values()]

        def notice(engine: str) -> str:
            return "".join(str(one.render()) for one in app.screen.query(f"#panel-{engine} #notice").results(Notice))

        await pilot.press("s")
        await until(pilot, lambda: phases(app) == ["training"] * 2)
        assert app.check_action("step", ()) is None, "grey until it is paused"
        await pilot.press("space")
        await until(pilot, lambda: phases(app) == ["paused"] * 2)
        await pilot.press("n")
        await until(pilot, lambda: all(history.step_by_hand for history in histories.values()))
        before = steps()
        assert [history.measured_step.global_step for history in histories.values() if history.measured_step] == before
        await until(pilot, lambda: f"Step {before[0]:,}: loss" in notice("pytorch"))
        assert "n Step" in key_bar_of(app)
        await pilot.press("a", "a", "n")
        await until(pilot, lambda: steps() == [before[0], before[1] + 1])
        await until(pilot, lambda: f"Step {before[1] + 1:,}: loss" in notice("keras"))
        await pilot.press("a", "space")
        await until(pilot, lambda: phases(app) == ["training"] * 2 and steps()[0] > before[0] + 1)
        await until(pilot, lambda: not app.screen.query_one("#panel-keras #notice").display)
