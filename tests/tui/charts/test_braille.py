"""Drawings, checked as text."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, strategies as st
from rich.text import Text
from textual.geometry import Region, Size

from tests.support.chart_text import line_of
from tui.charts.braille import Axes, Series, draw, value_range
from tui.charts.ticks import labelled_ticks, nice_ticks, tick_labels
from tui.widgets.text_line import changed_cells, changed_regions

FLOATS = st.floats(allow_nan=True, allow_infinity=True)


def test_a_curve_as_a_reader_sees_it() -> None:
    xs = list(range(41))
    rows = draw([Series("keras", xs, [math.sin(x / 40 * 2 * math.pi) for x in xs])], Axes(), 32, 8)
    assert line_of(rows) == [
        "    1┤   ⢀⡴⠋⠉⠙⠲⣄                ",
        "     │  ⡴⠋     ⠘⢦⡀              ",
        "     │⢀⡼⠁        ⠹⡄             ",
        "    0┤⠏           ⠙⣆           ⣠",
        "     │             ⠘⣆        ⢀⡞⠁",
        "     │              ⠈⠳⡄     ⣠⠞  ",
        "   -1┤                ⠙⠦⣄⣀⣠⠞⠁   ",
        "     └0───────────20──────────40",
    ]


@pytest.mark.parametrize("width", [18, 20, 57, 100, 200])
def test_a_spike_of_one_sample_survives_at_every_width(width: int) -> None:
    ys = [0.0] * 5000
    ys[3210] = 9.0
    rows = line_of(draw([Series("keras", list(range(5000)), ys)], Axes(), width, 10))
    assert any(0x2800 < ord(c) < 0x2900 for c in rows[0])


def test_nan_is_a_gap_with_a_mark() -> None:
    ys = [1.0] * 40 + [math.nan] * 20 + [1.0] * 40
    flat = line_of(draw([Series("keras", list(range(100)), ys)], Axes(y_range=(0, 2)), 56, 8))
    assert "×" in flat[0]
    middle = next(row for row in flat if "⠤" in row or "⠒" in row or "⣀" in row or "⠉" in row)
    assert "   " in middle.strip()[5:-5]


def test_points_stand_apart_and_dashes_differ_without_colour() -> None:
    xs, ys = [0, 10, 20, 30], [1.0, 2.0, 1.5, 3.0]
    solid = line_of(draw([Series("pytorch", xs, ys)], Axes(), 50, 8))
    dashed = line_of(draw([Series("keras", xs, ys, dashed=True)], Axes(), 50, 8))
    points = line_of(draw([Series("keras-test", xs, ys, kind="points", marker="◆")], Axes(), 50, 8))
    assert solid != dashed
    assert sum(row.count("◆") for row in points) == 4


def test_ascii_is_ascii() -> None:
    rows = line_of(draw([Series("keras", [0, 1, 2], [1.0, math.nan, 3.0])], Axes(), 40, 8, ascii_only=True))
    assert all(c.isascii() for row in rows for c in row)


def test_shared_axes_show_the_same_height_for_the_same_value() -> None:
    a, b = Series("pytorch", [0, 1], [0.0, 1.0]), Series("keras", [0, 1], [0.0, 2.0])
    found = value_range([a, b])
    assert found == ((0.0, 1.0), (0.0, 2.0))
    alone = line_of(draw([a], Axes(y_range=found[1]), 40, 10))
    assert all(c == " " for c in alone[0][6:])


def test_log_axis_labels_powers_of_ten() -> None:
    rows = line_of(draw([Series("keras", [0, 1, 2], [0.001, 0.1, 10.0])], Axes(log_y=True), 40, 12))
    assert any(row.startswith("   10") for row in rows)
    assert any(row.startswith("  0.1") for row in rows)


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
def test_labels_are_short_and_true(low: float, span: float, most: int) -> None:
    told = labelled_ticks(lambda fewer: nice_ticks(low, low + span, fewer), most, 5)
    for tick, label in told:
        assert len(label) <= 5
        assert meaning(label) == pytest.approx(tick, rel=1e-9, abs=1e-9 * span)
    assert len({label for _, label in told}) == len(told)


@given(st.floats(1e-4, 1e3), st.floats(1e-3, 100.0), st.integers(4, 80), st.booleans(), st.booleans())
@example(0.002, 0.5, 40, False, False)
@example(1.2, 0.9, 40, True, False)
@example(0.98, 0.02, 40, False, True)
def test_a_label_stands_where_its_value_is(low: float, share: float, height: int, log_y: bool, percent: bool) -> None:
    high = low * (1 + share)
    axes = Axes((0, 1), (low, high), log_y=log_y, percent=percent and not log_y)
    rows = line_of(draw([Series("keras", [0, 1], [low, high])], axes, 40, height))[:-1]
    for i, row in enumerate(rows):
        if label := row[:5].strip():
            value = meaning(label) / (100 if axes.percent else 1)
            part = math.log(high / value) / math.log(high / low) if log_y else (high - value) / (high - low)
            assert part * (4 * len(rows) - 1) // 4 == pytest.approx(i, abs=1)


def meaning(label: str) -> float:
    """The number that a reader takes it for."""
    return float(label.rstrip("k%")) * (1000 if label.endswith("k") else 1)


@given(st.text("ab─7", max_size=12), st.text("ab─7", max_size=12), st.integers(0, 12), st.booleans())
def test_what_is_repainted_holds_all_that_changed(old: str, new: str, at: int, styled: bool) -> None:
    """Cells outside of the region are equal, in text and in style."""
    before, after = Text(old), Text(new)
    if styled:
        after.stylize("bold", at)
    start, end = changed_cells(before, after)
    for i in range(max(len(old), len(new))):
        if not start <= i < end:
            assert old[i : i + 1] == new[i : i + 1]
            assert not (styled and at <= i < len(new))


def test_rows_that_have_no_room_are_not_repainted() -> None:
    before = (Text("step 1"), Text("50 %"), Text("700 img/s"))
    after = (Text("step 2"), Text("50 %"), Text("800 img/s"))
    assert changed_regions(before, after, Size(20, 3)) == [Region(5, 0, 1, 1), Region(0, 2, 1, 1)]
    assert changed_regions(before, after, Size(20, 2)) == [Region(5, 0, 1, 1)]
    assert changed_regions((), after, Size(20, 1)) == [Region(0, 0, 6, 1)]
    styled = (Text("step 1", style="red"), *before[1:])
    assert changed_regions(before, styled, Size(20, 3)) == [Region(0, 0, 20, 1)]


def test_points_of_both_in_one_cell_hide_neither() -> None:
    points = [
        Series(f"{name}-test", [5.0], [0.5], kind="points", marker=mark) for name, mark in (("a", "●"), ("b", "◆"))
    ]
    assert "◈" in "".join(line_of(draw(points, Axes((0, 10), (0, 1)), 40, 8)))
    assert "8" in "".join(line_of(draw(points, Axes((0, 10), (0, 1)), 40, 8, ascii_only=True)))
    apart = [points[0], Series("b-test", [9.0], [0.5], kind="points", marker="◆")]
    drawn = "".join(line_of(draw(apart, Axes((0, 10), (0, 1)), 40, 8)))
    assert "●" in drawn
    assert "◆" in drawn
