"""Tests of the curves that charts draw: x axes, y ranges and the values at the cursor."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from engines.runs.history import RunHistory
from tests.support.histories import evaluated_run, simulated_run
from tui.charts.braille import Axes
from tui.charts.scales import ERROR, LINEAR, LOG, fit, position
from tui.charts.viewport import Viewport
from tui.widgets.curves import (
    axes,
    cursor_label,
    curves,
    difference,
    difference_axes,
    figures_at_cursor,
    scale_of,
    x_extent,
    x_values,
)


def axes_of(history: RunHistory, view: Viewport) -> Axes:
    """Return the axes of one run's loss chart."""
    extent = x_extent([history], view)
    return axes([history], curves(history, "loss", view, view.window(extent)), "loss", view, extent)


def test_x_counts_steps_epochs_or_seconds() -> None:
    history = simulated_run("keras", 0.5)
    assert list(x_values(history, [50.0, 100.0], Viewport())) == [50.0, 100.0]
    assert list(x_values(history, [50.0, 100.0], Viewport(x_axis="epoch"))) == [1.0, 2.0]
    assert list(x_values(history, [50.0, 100.0], Viewport(x_axis="time"))) == [25.0, 50.0]
    assert axes_of(history, Viewport(x_axis="time")).x_range == pytest.approx((0.0, 50.0), rel=0.12)


def test_values_follow_the_cursor() -> None:
    history = simulated_run("keras", 0.5)
    second_epoch = [1 / step for step in range(51, 101)]
    assert figures_at_cursor(history, "loss", Viewport()).train == pytest.approx(sum(second_epoch) / 50)
    figures = figures_at_cursor(history, "loss", Viewport(cursor=60.0))
    assert figures.train == pytest.approx(sum(second_epoch[:10]) / 10)
    assert figures.test is None
    assert cursor_label(Viewport(cursor=1234.0)) == "step 1,234"


def test_y_fits_the_visible_part() -> None:
    history = simulated_run("keras", 0.5)
    assert axes_of(history, Viewport()).y_range == (0.0, 1.0)
    _, high = axes_of(history, Viewport().zoomed(2, (0.0, 100.0))).y_range or (0, 0)
    assert high < 0.1


def test_nothing_is_drawn_before_the_first_step() -> None:
    assert curves(RunHistory("keras"), "loss", Viewport(), (0, 1)) == []
    assert axes_of(RunHistory("keras"), Viewport()).x_range is None


def test_the_axis_stands_still_while_a_curve_grows_a_little() -> None:
    ends = {x_extent([simulated_run("keras", 0.5, steps)], Viewport())[1] for steps in range(100, 190)}
    assert len(ends) < 15
    assert x_extent([simulated_run("keras", 0.5, 199)], Viewport())[1] <= 200


def accuracy_rows(histories: Sequence[RunHistory], view: Viewport, height: int) -> dict[str, int]:
    """Return the row of each tick and of each test point's accuracy in a chart of the accuracy."""
    extent = x_extent(histories, view)
    series = [one for history in histories for one in curves(history, "accuracy", view, view.window(extent))]
    shared = axes(histories, series, "accuracy", view, extent)
    low, high = (position(shared.scale, y) for y in shared.y_range or (0, 1))
    axis = fit(shared.scale, low, high, height, 5, percent=True)
    tests = {f"{100 * point.accuracy:.1f}": point.accuracy for point in histories[0].evaluations}
    return {name: axis.row(position(shared.scale, y), height) for name, y in tests.items()}


@pytest.mark.parametrize("height", [12, 13])
def test_the_last_percent_has_rows_enough(height: int) -> None:
    """98.1 and 99.2 % were in one row of a pane's chart; 12 rows is what it has at 120x40."""
    history = evaluated_run([0.981, 0.985, 0.9875, 0.989, 0.9895, 0.9902, 0.991, 0.992])
    rows = accuracy_rows([history], Viewport(), height)
    assert rows["98.1"] - rows["99.2"] >= 6
    linear = accuracy_rows([history], Viewport(scale="linear"), height)
    assert linear["98.1"] == linear["99.2"]


def test_the_accuracy_axis_is_an_error_scale_once_it_is_late() -> None:
    early, late = evaluated_run([0.9, 0.9499]), evaluated_run([0.9, 0.95])
    assert scale_of([early], "accuracy", Viewport()) == LINEAR
    assert scale_of([early, late], "accuracy", Viewport()) == ERROR
    assert scale_of([late], "accuracy", Viewport(scale="linear")) == LINEAR
    assert scale_of([early], "accuracy", Viewport(scale="log")) == ERROR
    assert scale_of([late], "loss", Viewport()) == LINEAR
    assert scale_of([late], "loss", Viewport(scale="log")) == LOG


def test_test_points_are_joined() -> None:
    series = curves(evaluated_run([0.97, 0.98, 0.985]), "accuracy", Viewport(), (0, 200))
    assert [(one.role, one.kind, list(one.ys)) for one in series[-2:]] == [
        ("keras-test-line", "line", [0.97, 0.98, 0.985]),
        ("keras-test", "points", [0.97, 0.98, 0.985]),
    ]


def test_the_difference_is_around_zero() -> None:
    first, second = evaluated_run([0.97, 0.98], "pytorch"), evaluated_run([0.975, 0.98])
    zero, train, _, tests = difference([first, second], "accuracy", Viewport(), (0.0, 100.0))
    assert list(zero.ys) == [0.0, 0.0]
    assert list(train.ys) == pytest.approx([0.0] * 100)
    assert list(tests.ys) == pytest.approx([0.005, 0.0])
    shared = difference_axes([zero, train, tests], "accuracy", Viewport(), (0.0, 100.0))
    assert shared.y_range == pytest.approx((0.0, 0.005))
    assert difference([first], "loss", Viewport(), (0.0, 100.0)) == []
    assert difference([first, RunHistory("keras")], "loss", Viewport(), (0.0, 100.0)) == []
