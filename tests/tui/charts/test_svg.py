"""Charts of the exported page: where a line goes, and what its axes say."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, strategies as st

from tests.support.chart_text import parse_label
from tui.charts.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, chart


class Drawn:
    """A chart that was drawn, read back from its elements."""

    def __init__(self, *lines: Line) -> None:
        root = ElementTree.fromstring(chart("title", "step", lines))
        self.lines = [
            [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.attrib["points"].split())]
            for line in root.iter("polyline")
        ]
        self.points = [(float(circle.attrib["cx"]), float(circle.attrib["cy"])) for circle in root.iter("circle")]
        texts = [(text.attrib, text.text or "") for text in root.iter("text")]
        self.y_labels = {text: float(its["y"]) - 4 for its, text in texts if its["x"] == str(LEFT - 6)}
        self.x_labels = {text: float(its["x"]) for its, text in texts if its["y"] == str(HEIGHT - 10)}
        self.label_count = sum(its["x"] == str(LEFT - 6) or its["y"] == str(HEIGHT - 10) for its, _ in texts)
        self.grid = [float(line.attrib["y1"]) for line in root.iter("line")]


def test_a_rising_line_rises_and_fills_the_plot() -> None:
    """Pixels count down from the top."""
    ((first, middle, last),) = Drawn(Line("PyTorch", "pytorch", [0, 50, 100], [0.5, 0.75, 1.0])).lines
    assert first == (LEFT, HEIGHT - BOTTOM)
    assert last == (WIDTH - RIGHT, TOP)
    assert middle == ((LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2)


def test_a_point_stands_on_its_line_and_all_lines_share_the_axes() -> None:
    drawn = Drawn(
        Line("PyTorch", "pytorch", [0, 100], [0.0, 1.0], points=[(100, 1.0), (50, 0.5)]),
        Line("Keras", "keras", [0, 50], [4.0, 2.0]),
    )
    first, second = drawn.lines
    assert drawn.points[0] == first[1]
    assert drawn.points[1] == pytest.approx(((first[0][0] + first[1][0]) / 2, (first[0][1] + first[1][1]) / 2), abs=0.1)
    assert second[0] == (LEFT, TOP), "the highest value of all lines is at the top"
    assert second[1][0] == (LEFT + WIDTH - RIGHT) / 2


def test_a_point_outside_of_all_lines_widens_the_axes() -> None:
    """The test accuracy is often above the whole curve of the training."""
    drawn = Drawn(Line("PyTorch", "pytorch", [0, 100], [0.0, 1.0], points=[(200, 2.0), (100, -1.0)]))
    assert drawn.points == [(WIDTH - RIGHT, TOP), ((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM)]


@given(st.floats(-1e5, 1e5), st.floats(1e-6, 1e5), st.floats(0, 1e5), st.floats(1, 1e6))
def test_labels_are_true_and_distinct(low: float, span: float, first: float, steps: float) -> None:
    """Each label stands where a point of its value would be drawn."""
    high, last = low + span, first + steps
    if math.isclose(low, high, rel_tol=1e-6):
        return
    drawn = Drawn(Line("PyTorch", "pytorch", [first, last], [low, high]))
    assert drawn.y_labels or span < 0.01 * max(abs(low), abs(high)), "three digits are enough, and have room"
    assert drawn.x_labels
    for label, y in drawn.y_labels.items():
        expected = TOP + (high - parse_label(label)) / (high - low) * (HEIGHT - TOP - BOTTOM)
        assert y == pytest.approx(expected, abs=0.1)
        assert len(label) <= 7
    for label, x in drawn.x_labels.items():
        assert x == pytest.approx(LEFT + (parse_label(label) - first) / steps * (WIDTH - LEFT - RIGHT), abs=0.1)
    assert drawn.label_count == len(drawn.y_labels) + len(drawn.x_labels), "no label stands twice"
    assert drawn.grid == pytest.approx(list(drawn.y_labels.values()))


def test_labels_of_a_losss_axis() -> None:
    drawn = Drawn(Line("PyTorch", "pytorch", [1, 5628], [2.31, 0.02]))
    assert list(drawn.y_labels) == ["0.5", "1", "1.5", "2"]
    assert list(drawn.x_labels) == ["1k", "2k", "3k", "4k", "5k"]
    assert list(Drawn(Line("PyTorch", "pytorch", [0, 1], [0.002, 0.0035])).y_labels) == [
        "0.002",
        "0.0025",
        "0.003",
        "0.0035",
    ]


def test_only_a_dashed_line_has_dashes() -> None:
    drawn = chart("t", "step", [Line("a", "a", [0, 1], [0, 1], dashed=True), Line("b", "b", [0, 1], [1, 0])])
    assert re.findall(r'class="(\w)" points="[^"]*"( stroke-dasharray)?', drawn) == [
        ("a", " stroke-dasharray"),
        ("b", ""),
    ]
