"""Tests of the viewport: zoom, pan, cursor, smoothing and the meaning of x."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, strategies as st

from tui.charts.viewport import Viewport, smoothed, value_at

EXTENT = (0.0, 1000.0)


def test_everything_is_visible_without_zoom() -> None:
    assert Viewport().window(EXTENT) == EXTENT
    assert Viewport().panned(0.5, EXTENT) == Viewport()


def test_zoom_follows_the_newest_sample() -> None:
    view = Viewport().zoomed(4, EXTENT)
    assert view.window(EXTENT) == (750.0, 1000.0)
    assert view.window((0.0, 1100.0)) == (850.0, 1100.0)


def test_zoom_keeps_its_center_in_place() -> None:
    left, right = Viewport().zoomed(2, EXTENT, center=250.0).window(EXTENT)
    assert (left, right) == (125.0, 625.0)
    assert (250.0 - left) / (right - left) == pytest.approx(0.25)


def test_panning_leaves_the_newest_sample_and_follows_it_again() -> None:
    view = Viewport().zoomed(4, EXTENT).panned(-1, EXTENT)
    assert view.window((0.0, 1100.0)) == (500.0, 750.0), "it no longer follows"
    assert view.panned(9, EXTENT).right is None, "at the end it follows again"
    assert view.panned(-99, EXTENT).window(EXTENT) == (0.0, 250.0)


def test_zooming_out_ends_the_zoom() -> None:
    assert Viewport().zoomed(4, EXTENT).zoomed(0.1, EXTENT) == Viewport()


@given(
    st.lists(st.tuples(st.sampled_from(["zoom", "pan", "point"]), st.floats(-40, 40)), max_size=30),
    st.floats(0, 1e6, allow_subnormal=False),
)
def test_any_keys_stay_within_the_data(keys: list[tuple[str, float]], end: float) -> None:
    view, extent = Viewport(), (0.0, end)
    for key, amount in keys:
        if key == "zoom":
            view = view.zoomed(1.5**amount, extent)
        elif key == "pan":
            view = view.panned(amount, extent)
        else:
            view = view.cursor_moved(amount, 50, extent)
        left, right = view.window(extent)
        assert -1e-6 * end <= left <= right <= end * (1 + 1e-9)
        assert view.cursor is None or 0 <= view.cursor <= end


def test_the_cursor_appears_at_the_newest_sample_and_moves_by_columns() -> None:
    view = Viewport().cursor_moved(-1, 101, EXTENT)
    assert view.cursor == 1000.0
    assert view.cursor_moved(-10, 101, EXTENT).cursor == 900.0


def test_another_axis_drops_zoom_and_cursor() -> None:
    view = Viewport().zoomed(4, EXTENT)._replace(cursor=3.0).with_next_axis()
    assert (view.x_axis, view.span, view.cursor) == ("epoch", None, None)
    assert view.with_next_axis().with_next_axis().x_axis == "step"


def test_smoothing_is_a_centred_mean() -> None:
    ys = [float(7 * i % 11) for i in range(40)]
    out = smoothed(ys, 5)
    assert out[20] == pytest.approx(sum(ys[18:23]) / 5)
    assert out[-1] == pytest.approx(sum(ys[-3:]) / 3)
    assert out[2] == pytest.approx(sum(ys[1:4]) / 3)
    assert out[0] == ys[0]
    assert list(smoothed(ys, 0)) == ys
    assert smoothed([1e30, *([1.0] * 100)], 9)[50] == 1.0


@pytest.mark.parametrize("samples", [50, 100, 400, 4000])
def test_smoothing_does_not_lag_in_the_first_steps(samples: int) -> None:
    """A constant weight of 0.9 lagged ten steps behind, and so behind the test points, however few steps were shown."""
    ys = [2.3 * math.exp(-i / 20) for i in range(samples)]
    out = smoothed(ys, round(0.05 * samples))
    for i in (5, 10, 20, 30):
        lag = next(step for step, y in enumerate(out) if y <= ys[i]) - i
        assert abs(lag) <= 1 + samples // 100, f"{lag} steps at step {i}"


def test_smoothing_leaves_a_nan_and_its_neighbours_alone() -> None:
    out = smoothed([1.0] * 10 + [math.nan] + [1.0] * 10, 5)
    assert math.isnan(out[10])
    assert [*out[:10], *out[11:]] == pytest.approx([1.0] * 20)


def test_the_scale_has_three_states() -> None:
    views = [Viewport()]
    for _ in range(3):
        views.append(views[-1].with_next_scale())
    assert [view.scale for view in views] == ["auto", "log", "linear", "auto"]


def test_values_are_read_at_the_nearest_sample() -> None:
    assert value_at([0, 10, 20], [1.0, 2.0, 3.0], 14) == 2.0
    assert value_at([0, 10, 20], [1.0, 2.0, 3.0], 16) == 3.0
    assert value_at([], [], 3) is None
