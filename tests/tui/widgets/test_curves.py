"""Tests of the curves that charts draw: x axes, y ranges and the values at the cursor."""

from __future__ import annotations

import pytest

from engines.runs.history import RunHistory
from tests.support.histories import simulated_run
from tui.charts.braille import Axes
from tui.charts.viewport import Viewport
from tui.widgets.curves import axes, cursor_label, curves, values_at_cursor, x_extent, x_values


def axes_of(history: RunHistory, view: Viewport) -> Axes:
    """Return the axes of one run's loss chart."""
    return axes(curves(history, "loss", view), "loss", view, x_extent([history], view))


def test_x_counts_steps_epochs_or_seconds() -> None:
    history = simulated_run("keras", 0.5)
    assert list(x_values(history, [50.0, 100.0], Viewport())) == [50.0, 100.0]
    assert list(x_values(history, [50.0, 100.0], Viewport(x_axis="epoch"))) == [1.0, 2.0]
    assert list(x_values(history, [50.0, 100.0], Viewport(x_axis="time"))) == [25.0, 50.0]
    assert axes_of(history, Viewport(x_axis="time")).x_range == pytest.approx((0.0, 50.0), rel=0.12)


def test_values_follow_the_cursor() -> None:
    history = simulated_run("keras", 0.5)
    assert values_at_cursor(history, "loss", Viewport())[0] == pytest.approx(0.01)
    train, test = values_at_cursor(history, "loss", Viewport(cursor=50.0))
    assert train == pytest.approx(0.02)
    assert test is None
    assert cursor_label(Viewport(cursor=1234.0)) == "step 1,234"


def test_y_fits_the_visible_part() -> None:
    history = simulated_run("keras", 0.5)
    assert axes_of(history, Viewport()).y_range == (0.0, 1.0)
    _, high = axes_of(history, Viewport().zoomed(2, (0.0, 100.0))).y_range or (0, 0)
    assert high < 0.1


def test_nothing_is_drawn_before_the_first_step() -> None:
    assert curves(RunHistory("keras"), "loss", Viewport()) == []
    assert axes_of(RunHistory("keras"), Viewport()).x_range is None


def test_the_axis_stands_still_while_a_curve_grows_a_little() -> None:
    ends = {x_extent([simulated_run("keras", 0.5, steps)], Viewport())[1] for steps in range(100, 190)}
    assert len(ends) < 15
    assert x_extent([simulated_run("keras", 0.5, 199)], Viewport())[1] <= 200
