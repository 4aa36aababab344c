"""Tests of the charts of learning rate, speed, CPU, memory and GPU."""

from __future__ import annotations

import pytest

from engines.api import MachineHistory, RunHistory
from engines.messages.events import WorkerSpawned, WorkerUsage
from tests.support.fake_gpus import fake_gpu, on_a_fake_gpu, usage
from tests.support.histories import simulated_run
from tests.support.pilot import drawn, heading
from tests.support.recording import shown
from tui.charts.viewport import Viewport
from tui.widgets.more_charts import TITLES_BY_NAME, _curve, _reason


def with_usage(history: RunHistory) -> RunHistory:
    """Add CPU and memory readings before, during and after the steps of a simulated run, which starts at 10 s."""
    history.apply(WorkerSpawned(engine="keras", t=10.0, pid=1, interpreter="python"))
    for t in range(10, 100, 10):
        reading = WorkerUsage(engine="keras", t=t, cpu_percent=90.0, cores_allowed=1, rss_bytes=10**9, num_threads=2)
        history.apply(reading)
    return history


def test_usage_is_drawn_at_the_steps_that_were_done_by_then() -> None:
    history, machine = with_usage(simulated_run("keras", 0.5)), MachineHistory()
    (curve,) = _curve(history, machine, "memory", Viewport(smoothing=0.0), (0, 200))
    assert list(curve.xs) == [20.0, 40.0, 60.0, 80.0, 100.0]
    assert list(curve.ys) == [1.0] * 5
    (curve,) = _curve(history, machine, "cpu", Viewport(x_axis="time"), (0, 200))
    assert list(curve.xs) == [float(t) for t in range(0, 90, 10)]
    (curve,) = _curve(history, machine, "cpu", Viewport(x_axis="epoch"), (0, 4))
    assert list(curve.xs) == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0])


def test_the_power_of_two_fake_gpus_is_their_sum_during_the_run() -> None:
    history, machine = on_a_fake_gpu(0, "cuda:0,cuda:1")
    for t in range(60):
        machine.apply(usage(float(t), fake_gpu(watts=200.0), fake_gpu(watts=300.0, index=1)))
    history.last_t = 20.0
    view = Viewport(x_axis="time", smoothing=0.0)
    (power,) = _curve(history, machine, "power", view, (0, 60))
    assert set(power.ys) == {500.0}
    assert (min(power.xs), max(power.xs)) == (0.0, 20.0)
    (utilization,) = _curve(history, machine, "gpu", view, (0, 60))
    assert set(utilization.ys) == {61.0}


def test_an_empty_chart_says_why() -> None:
    machine = MachineHistory()
    machine.apply(usage(0.0))
    history = simulated_run("keras", 0.5)
    assert _curve(history, machine, "gpu", Viewport(), (0, 200)) == []
    assert _reason([history], machine, "gpu") == "no NVIDIA driver"
    machine.apply(usage(1.0, fake_gpu()))
    assert _reason([history], machine, "power") == "not used: runs on the CPU"
    assert _reason([RunHistory("keras")], machine, "cpu") == "did not run"


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_a_recorded_run_has_all_of_its_charts(size: tuple[int, int]) -> None:
    async with shown(100.0, size, "mnist-dark", "M", "left", "left") as app:
        for name in TITLES_BY_NAME:
            chart, text = f"#more-{name}", heading(app, f"#more-{name}")
            if name in ("gpu", "power"):
                assert text == "no NVIDIA driver"
                continue
            assert any(0x2800 < ord(c) < 0x2900 for c in drawn(app, chart)), name
            assert "┊" in drawn(app, chart), "the cursor of all charts"
            assert "━━" in text
            assert "╍╍" in text
        app.train_screen.action_more()
        assert app.train_screen.layout_name == "beside"
