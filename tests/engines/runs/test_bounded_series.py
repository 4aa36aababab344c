"""Bounded series: they keep their capacity, their spikes and their NaN."""

from __future__ import annotations

import random
from array import array

import pytest

from engines.runs.bounded_series import BoundedSeries


def test_a_series_keeps_spikes_within_its_capacity() -> None:
    series, spike = BoundedSeries(capacity=256), 61_234
    for i in range(200_000):
        series.append(i, 1000.0 if i == spike else random.Random(i).random())
    assert len(series) <= 256
    assert max(series.ys) == 1000.0
    assert list(series.xs) == sorted(series.xs)
    assert series.last == (199_999, random.Random(199_999).random())


def test_a_series_keeps_nan() -> None:
    series = BoundedSeries(capacity=16)
    for i in range(1000):
        series.append(i, float("nan") if i == 500 else 1.0)
    assert any(y != y for y in series.ys)
    assert isinstance(series.xs, array)


def test_the_means_of_a_thinned_series_are_not_biased_by_its_extremes() -> None:
    series = BoundedSeries(capacity=64)
    for i in range(4096):
        series.append(i, 8.0 if i % 8 == 0 else 0.0)
    assert len(series.means) == len(series)
    assert sum(series.ys) / len(series) > 2.0
    assert sum(series.means) / len(series) == pytest.approx(1.0, rel=0.05)
