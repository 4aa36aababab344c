"""Tests of drawn charts, as text."""

from __future__ import annotations

import math

import pytest

from tests.support.chart_text import chart_lines
from tui.charts.braille import SHARED, Axes, Row, Series, draw, value_range, x_of
from tui.charts.scales import LOG


def test_a_sine_is_drawn_in_braille() -> None:
    xs = list(range(41))
    rows = draw([Series("keras", xs, [math.sin(x / 40 * 2 * math.pi) for x in xs])], Axes(), 32, 8)
    assert chart_lines(rows) == [
        "    1┤     ⣀⣀⣀                  ",
        "     │  ⢀⡤⠞⠁ ⠈⠙⢦⡀               ",
        "     │ ⢠⠞       ⠙⢦              ",
        "    0┤⡴⠋         ⠈⢧⡀           ⢀",
        "     │             ⠹⡄         ⡴⠋",
        "     │              ⠙⢦⡀     ⢀⡞⠁ ",
        "   -1┤                ⠙⠦⣄⣀⣠⠞⠉   ",
        "     └0───────────20──────────40",
    ]


@pytest.mark.parametrize("width", [18, 20, 57, 100, 200])
def test_a_spike_of_one_sample_survives_at_every_width(width: int) -> None:
    ys = [0.0] * 5000
    ys[3210] = 9.0
    rows = chart_lines(draw([Series("keras", list(range(5000)), ys)], Axes(), width, 10))
    assert any(0x2800 < ord(c) < 0x2900 for c in "".join(rows[:3]))


def test_a_nan_is_a_marked_gap() -> None:
    ys = [1.0] * 40 + [math.nan] * 20 + [1.0] * 40
    flat = chart_lines(draw([Series("keras", list(range(100)), ys)], Axes(y_range=(0, 2)), 56, 8))
    assert "×" in flat[0]
    middle = next(row for row in flat if "⠤" in row or "⠒" in row or "⣀" in row or "⠉" in row)
    assert "   " in middle.strip()[5:-5]


def test_points_and_dashes_differ_from_lines_without_colour() -> None:
    xs, ys = [0, 10, 20, 30], [1.0, 2.0, 1.5, 3.0]
    solid = chart_lines(draw([Series("pytorch", xs, ys)], Axes(), 50, 8))
    dashed = chart_lines(draw([Series("keras", xs, ys, dashed=True)], Axes(), 50, 8))
    points = chart_lines(draw([Series("keras-test", xs, ys, kind="points", marker="◆")], Axes(), 50, 8))
    assert solid != dashed
    assert sum(row.count("◆") for row in points) == 4


def test_an_ascii_chart_is_ascii() -> None:
    rows = chart_lines(draw([Series("keras", [0, 1, 2], [1.0, math.nan, 3.0])], Axes(), 40, 8, ascii_only=True))
    assert all(c.isascii() for row in rows for c in row)


def test_shared_axes_show_the_same_height_for_the_same_value() -> None:
    a, b = Series("pytorch", [0, 1], [0.0, 1.0]), Series("keras", [0, 1], [0.0, 2.0])
    ranges = value_range([a, b])
    assert ranges == ((0.0, 1.0), (0.0, 2.0))
    rows = chart_lines(draw([a], Axes(y_range=ranges[1]), 40, 10))
    assert all(c == " " for c in rows[0][6:])


def test_log_axis_labels_powers_of_ten() -> None:
    rows = chart_lines(draw([Series("keras", [0, 1, 2], [0.001, 0.1, 10.0])], Axes(scale=LOG), 40, 12))
    assert any(row.startswith("   10") for row in rows)
    assert any(row.startswith("  0.1") for row in rows)


def test_points_of_two_curves_in_one_cell_have_a_mark_of_their_own() -> None:
    points = [
        Series(f"{name}-test", [5.0], [0.5], kind="points", marker=mark) for name, mark in (("a", "●"), ("b", "◆"))
    ]
    assert "◈" in "".join(chart_lines(draw(points, Axes((0, 10), (0, 1)), 40, 8)))
    assert "8" in "".join(chart_lines(draw(points, Axes((0, 10), (0, 1)), 40, 8, ascii_only=True)))
    apart = [points[0], Series("b-test", [9.0], [0.5], kind="points", marker="◆")]
    drawn = "".join(chart_lines(draw(apart, Axes((0, 10), (0, 1)), 40, 8)))
    assert "●" in drawn
    assert "◆" in drawn


def test_the_cursor_is_a_line_behind_the_curve() -> None:
    rows = chart_lines(draw([Series("keras", [0, 10], [0.0, 1.0])], Axes((0, 10), (0, 1), cursor=5.0), 46, 8))
    assert sum("┊" in row for row in rows) >= 6
    assert len({row.index("┊") for row in rows if "┊" in row}) == 1


def roles(rows: list[Row]) -> set[str]:
    """Return the roles of all cells."""
    return {role for row in rows for _, role in row}


def test_cells_in_which_two_curves_meet_have_a_look_of_their_own() -> None:
    """A chart once coloured them in turn, so that two equal curves had zebra stripes."""
    xs, ys = list(range(100)), [1.0] * 50 + [1.5] * 50
    rows = draw([Series("pytorch", xs, ys), Series("keras", xs, [1.0] * 100)], Axes(y_range=(0, 2)), 60, 8)
    (together,) = [row for row in rows if "shared" in {role for _, role in row}]
    assert [role for _, role in together if role not in ("label", "axis", "")] == [SHARED, "keras"]
    assert "pytorch" in roles(rows)
    assert SHARED not in roles(draw([Series("pytorch", xs, ys), Series("pytorch", xs, ys)], Axes(), 60, 8))


def test_a_curve_is_no_thicker_for_the_raw_samples_behind_it() -> None:
    """Dots of raw samples in its cells once had the bright curve's colour."""
    xs, flat = list(range(100)), [1.0] * 100
    raw = Series("keras-raw", xs, [1.0 + 0.3 * (-1) ** x for x in xs])
    line = Series("keras", xs, flat, layer=1)
    axes = Axes(y_range=(0, 2))
    alone, above = draw([line], axes, 60, 8), draw([raw, line], axes, 60, 8)
    cells = [[text for row in rows for text, role in row if role == "keras"] for rows in (alone, above)]
    assert cells[0] == cells[1]
    assert "keras-raw" in roles(above)


def test_what_is_out_of_range_runs_off_the_plot() -> None:
    rows = draw([Series("keras", [0, 1, 2], [0.0, 0.0, 1.0])], Axes(y_range=(0.5, 1.0)), 60, 8)
    bottom = "".join(text for text, role in rows[-2] if role == "keras")
    assert len(bottom) < 10, "a curve far below the range is not drawn at its edge"
    points = draw([Series("keras", [0, 1], [0.0, 1.0], kind="points")], Axes(y_range=(0.5, 1.0)), 60, 8)
    assert sum(row.count("●") for row in chart_lines(points)) == 1


def test_a_spike_survives_in_a_dashed_line() -> None:
    for at in range(0, 100, 3):
        ys = [0.0] * 100
        ys[at] = 1.0
        rows = chart_lines(draw([Series("keras", list(range(100)), ys, dashed=True)], Axes(), 56, 10))
        assert any(0x2800 < ord(c) < 0x2900 for c in rows[1]), at


@pytest.mark.parametrize("width", [18, 60, 121])
def test_the_cursor_is_drawn_in_the_column_that_the_mouse_points_at(width: int) -> None:
    for column in range(6, width):
        x = x_of(column, (width, 8), (0.0, 1000.0))
        rows = chart_lines(
            draw([Series("keras", [0, 1000], [0.0, 0.0])], Axes((0.0, 1000.0), (0, 1), cursor=x), width, 8)
        )
        assert abs(rows[0].index("┊") - column) <= 1
