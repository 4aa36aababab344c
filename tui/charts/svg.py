"""A line chart as SVG, for a page that opens without a network. Pure: numbers in, text out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from tui.charts.ticks import labelled_ticks, nice_ticks

WIDTH, HEIGHT = 640, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 28, 30
LABEL = 7
"""Characters of an axis label, at most."""


@dataclass(frozen=True, slots=True)
class Line:
    """One curve, and the points that are marked apart from it."""

    name: str
    kind: str
    """The CSS class that colours it."""
    xs: Sequence[float]
    ys: Sequence[float]
    points: Sequence[tuple[float, float]] = ()
    dashed: bool = False


def chart(title: str, x_name: str, lines: Sequence[Line]) -> str:
    """An <svg> of its own; values that are no numbers are gaps."""
    every = [(x, y) for line in lines for x, y in (*zip(line.xs, line.ys, strict=True), *line.points)]
    known = [(x, y) for x, y in every if math.isfinite(x) and math.isfinite(y)]
    if not known:
        known = [(0.0, 0.0)]
    low_x, high_x = min(x for x, _ in known), max(x for x, _ in known)
    low_y, high_y = min(y for _, y in known), max(y for _, y in known)
    wide, high = max(high_x - low_x, 1e-12), max(high_y - low_y, 1e-12)

    def at(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (x - low_x) / wide * (WIDTH - LEFT - RIGHT)
        return across, TOP + (high_y - y) / high * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    out.append(f'<text x="{LEFT}" y="16" class="title">{escape(title)}</text>')
    for tick, label in labelled_ticks(lambda most: nice_ticks(low_y, high_y, most), 5, LABEL):
        _, y = at(low_x, tick)
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for tick, label in labelled_ticks(lambda most: nice_ticks(low_x, high_x, most), 8, LABEL):
        x, _ = at(tick, low_y)
        out.append(f'<text x="{x:.1f}" y="{HEIGHT - 10}" text-anchor="middle">{label}</text>')
    out.append(f'<text x="{WIDTH - RIGHT}" y="16" text-anchor="end">{escape(x_name)} →</text>')
    for line in lines:
        dash = ' stroke-dasharray="5 3"' if line.dashed else ""
        for part in _parts(line):
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*point) for point in part))
            out.append(f'<polyline class="{escape(line.kind)}" points="{path}"{dash}/>')
        for x, y in (at(*point) for point in line.points if math.isfinite(point[1])):
            out.append(f'<circle class="{escape(line.kind)}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>')
    return "".join([*out, "</svg>"])


def _parts(line: Line) -> list[list[tuple[float, float]]]:
    """The curve between its gaps."""
    parts: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(line.xs, line.ys, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            parts[-1].append((x, y))
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]
