"""Tests of ticks and their labels."""

from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st

from tests.support.chart_text import parse_label
from tui.charts.ticks import labelled_ticks, nice_ticks, tick_labels


def test_ticks_are_round() -> None:
    assert nice_ticks(0.0, 2.3, 5) == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert nice_ticks(0.0, 5628.0, 4) == [0.0, 2000.0, 4000.0]


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ([0.0, 0.2, 0.4], ["0", "0.2", "0.4"]),
        ([0.0, 200.0, 400.0], ["0", "200", "400"]),
        ([0.0, 500.0, 1000.0, 1500.0], ["0", "500", "1k", "1.5k"]),
        ([5627.0, 5628.0], ["5627", "5628"]),
        ([0.0, 20000.0, 40000.0], ["0", "20k", "40k"]),
        ([0.002, 0.0025, 0.003], [".002", ".0025", ".003"]),
        ([1e-7, 2e-7], ["1e-7", "2e-7"]),
        ([2e6, 2.5e6, 3e6], ["2e6", "2.5e6", "3e6"]),
        ([-0.005, 0.0], ["-.005", "0"]),
        ([-0.0078125], []),
        ([1.0, 1.0 + 2**-52], []),
    ],
)  # fmt: skip
def test_labels_of_an_axis(ticks: list[float], labels: list[str]) -> None:
    assert tick_labels(ticks, 5) == labels


def test_percentages_lose_their_sign_before_a_digit() -> None:
    assert tick_labels([0.9, 0.95, 1.0], 5, percent=True) == ["90%", "95%", "100%"]
    assert tick_labels([0.9825, 0.985, 0.9875], 5, percent=True) == ["98.25", "98.5", "98.75"]
    assert tick_labels([0.99925], 5, percent=True) == []


@given(st.floats(-1e6, 1e6), st.floats(1e-9, 1e6), st.integers(1, 60))
@example(-0.0078125, 0.0078125, 8)
@example(0.002, 0.001, 40)
@example(98.205, 0.02, 40)
def test_labels_are_short_and_exact(low: float, span: float, max_count: int) -> None:
    labelled = labelled_ticks(lambda count: nice_ticks(low, low + span, count), max_count, 5)
    for tick, label in labelled:
        assert len(label) <= 5
        assert parse_label(label) == pytest.approx(tick, rel=1e-9, abs=1e-9 * span)
    assert len({label for _, label in labelled}) == len(labelled)
