"""A line chart as SVG, for a page that opens without a network."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from tui.charts.ticks import labelled_ticks, nice_ticks

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 28, 30
"""Margins of the plot."""
LABEL_WIDTH = 7
"""Longest axis label, in characters."""


@dataclass(frozen=True, slots=True)
class Line:
    """One curve, and its marked points."""

    name: str
    kind: str
    """The CSS class that colours the curve."""
    xs: Sequence[float]
    ys: Sequence[float]
    points: Sequence[tuple[float, float]] = ()
    dashed: bool = False


def chart(title: str, x_name: str, lines: Sequence[Line]) -> str:
    """Draw the lines as a standalone <svg> element; NaN and infinity are gaps."""
    samples = [(x, y) for line in lines for x, y in (*zip(line.xs, line.ys, strict=True), *line.points)]
    finite = [(x, y) for x, y in samples if math.isfinite(x) and math.isfinite(y)] or [(0.0, 0.0)]
    low_x, high_x = min(x for x, _ in finite), max(x for x, _ in finite)
    low_y, high_y = min(y for _, y in finite), max(y for _, y in finite)
    x_span, y_span = max(high_x - low_x, 1e-12), max(high_y - low_y, 1e-12)

    def to_pixels(x: float, y: float) -> tuple[float, float]:
        column = LEFT + (x - low_x) / x_span * (WIDTH - LEFT - RIGHT)
        return column, TOP + (high_y - y) / y_span * (HEIGHT - TOP - BOTTOM)

    svg = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    svg.append(f'<text x="{LEFT}" y="16" class="title">{escape(title)}</text>')
    for tick, label in labelled_ticks(lambda count: nice_ticks(low_y, high_y, count), 5, LABEL_WIDTH):
        _, y = to_pixels(low_x, tick)
        svg.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        svg.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for tick, label in labelled_ticks(lambda count: nice_ticks(low_x, high_x, count), 8, LABEL_WIDTH):
        x, _ = to_pixels(tick, low_y)
        svg.append(f'<text x="{x:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{label}</text>')
    svg.append(f'<text x="{WIDTH - RIGHT}" y="16" text-anchor="end">{escape(x_name)} →</text>')
    for line in lines:
        dash = ' stroke-dasharray="5 3"' if line.dashed else ""
        for segment in _segments(line):
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (to_pixels(*point) for point in segment))
            svg.append(f'<polyline class="{escape(line.kind)}" points="{path}"{dash}/>')
        for x, y in (to_pixels(*point) for point in line.points if math.isfinite(point[1])):
            svg.append(f'<circle class="{escape(line.kind)}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>')
    return "".join([*svg, "</svg>"])


def _segments(line: Line) -> list[list[tuple[float, float]]]:
    """Split the curve at its gaps."""
    segments: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(line.xs, line.ys, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            segments[-1].append((x, y))
        elif segments[-1]:
            segments.append([])
    return [segment for segment in segments if segment]
