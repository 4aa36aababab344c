"""Tests of the scales of y axes: ranges that put ticks on rows."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import example, given, strategies as st

from tests.support.chart_text import chart_lines, parse_label
from tui.charts.braille import Axes, Series, draw
from tui.charts.scales import ERROR, ERROR_TICKS, LINEAR, LOG, fit, position


def labels_by_row(scale: str, low: float, high: float, height: int, *, percent: bool = False) -> dict[int, str]:
    axis = fit(scale, position(scale, low), position(scale, high), height, 5, percent=percent)
    return {axis.row(tick, height): label for tick, label in axis.labels}


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.integers(2, 60), st.booleans())
@example(0.0, 2.33, 12, False)  # labels were once three, two, three and two rows apart
@example(0.05, 0.95, 12, True)
def test_linear_labels_are_evenly_spaced(low: float, span: float, height: int, percent: bool) -> None:
    if percent:
        low = max(0.0, min(low, 0.9))
        span = min(span, 1 - low)
    rows = sorted(labels_by_row(LINEAR, low, low + span, height, percent=percent))
    assert len({b - a for a, b in pairwise(rows)}) <= 1
    axis = fit(LINEAR, low, low + span, height, 5, percent=percent)
    assert axis.low <= low + 1e-6 * span
    assert axis.high >= low + span - 1e-6 * span


@pytest.mark.parametrize("height", [7, 8, 12, 13, 26, 48])
@pytest.mark.parametrize(("low", "high"), [(0.0, 2.33), (0.0, 1.0), (0.0, 5.1), (0.05, 1.0)])
def test_a_chart_has_at_least_three_labels_and_uses_its_rows(low: float, high: float, height: int) -> None:
    assert len(labels_by_row(LINEAR, low, high, height)) >= 3 - (height < 10)
    axis = fit(LINEAR, low, high, height, 5)
    assert (high - low) / (axis.high - axis.low) > 0.6


@given(st.floats(-5, 3), st.floats(0.01, 6), st.integers(4, 60))
@example(math.log10(0.0251), 1.0, 12)  # had a tick at 0.251
def test_logarithmic_labels_are_powers_or_one_two_five(low: float, decades: float, height: int) -> None:
    rows = labels_by_row(LOG, 10**low, 10 ** (low + decades), height)
    values = {row: parse_label(label) for row, label in rows.items()}
    assert len(values) >= 2
    for value in values.values():
        mantissa = value / 10 ** math.floor(math.log10(value) + 1e-9)
        assert any(mantissa == pytest.approx(nice) for nice in (1, 2, 5))
    powers = sorted(row for row, value in values.items() if math.log10(value) % 1 == pytest.approx(0.0, abs=1e-9))
    assert len({b - a for a, b in pairwise(powers)}) <= 1


def test_the_error_scale_starts_and_ends_at_its_ticks() -> None:
    assert labels_by_row(ERROR, 0.981, 0.9921, 12) == {11: "98%", 6: "99%", 0: "99.5%"}
    assert list(labels_by_row(ERROR, 0.1, 0.9921, 26).values())[:3] == ["0%", "50%", "90%"]
    assert labels_by_row(ERROR, 1.0, 1.0, 12), "100 % is infinitely high"
    for tick in (0.5, 0.9, 0.97, 0.98, 0.99, 0.995, 0.999):
        assert tick in ERROR_TICKS


@given(st.floats(1e-4, 1e3), st.floats(1e-3, 100.0), st.integers(4, 80), st.booleans())
@example(0.002, 0.5, 40, False)
@example(1.2, 0.9, 40, True)
def test_a_label_stands_in_the_row_of_its_value(low: float, growth: float, height: int, log_y: bool) -> None:
    high, scale = low * (1 + growth), LOG if log_y else LINEAR
    axis = fit(scale, position(scale, low), position(scale, high), height - 1, 5)
    chart = draw([Series("keras", [0, 1], [low, high])], Axes((0, 1), (low, high), scale), 40, height)
    for i, row in enumerate(chart_lines(chart)[:-1]):
        if label := row[:5].strip():
            place = (axis.high - position(scale, parse_label(label))) / (axis.high - axis.low)
            assert place * (4 * (height - 1) - 1) // 4 == pytest.approx(i, abs=1)
