"""A line chart in braille: every sample of a curve leaves a trace, however many fall into one column.

Each column of dots shows the span from the lowest to the highest sample that falls into it, so a spike of one sample survives;
columns are joined, columns without samples are interpolated, and a NaN is a gap with a mark. numpy is imported at the first curve,
never before an app's first paint.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from tui.charts.ticks import labelled_ticks, log_ticks, nice_ticks

Run = tuple[str, str]
"""(text, role): what the text is, for the widget to give it a look."""
Row = list[Run]

LABEL = 5
"""Cells of a label at the y axis."""
GUTTER = LABEL + 1
"""Cells left of the plot: a label, and the axis."""
X_SPACE, X_LABEL = 12, 9
"""At the x axis: cells from tick to tick, at least, and of a label, at most."""
DASH_ON, DASH_PERIOD = 7, 10
"""Dot columns of a dashed line that are drawn, of so many."""
TURN = 2
"""Cells that one of two curves which run through the same cells colours before the other does."""
SPIKE_DOTS = 6
"""A dashed line that rises by so many dots within one column is drawn there in any case."""
GAP_MARK = ("×", "x")
BOTH_MARK = ("◈", "8")
"""Points of two curves in one cell."""
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The braille bit of each dot in a cell, by row and column (Unicode chapter 21.1)."""


class Series(NamedTuple):
    """One curve, or the points of one."""

    role: str
    xs: Sequence[float]
    """In ascending order."""
    ys: Sequence[float]
    kind: str = "line"
    """"line" or "points"."""
    marker: str = "●"
    dashed: bool = False
    faint: bool = False
    """Drawn behind every curve that is not."""


class Axes(NamedTuple):
    """What the chart shows of the plane; None fits the data."""

    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    log_y: bool = False
    percent: bool = False
    """y is a fraction of 1, labelled in percent."""
    x_name: str = ""
    """Written in the corner, in at most five characters."""
    cursor: float | None = None
    """Where a vertical line stands; None: nowhere."""


def value_range(series: Sequence[Series]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """((lowest x, highest x), (lowest y, highest y)) of all finite samples; None when there is none."""
    xs: list[float] = []
    ys: list[float] = []
    for one in series:
        if len(one.xs):
            x, y = _arrays(one)
            good = _finite(x, y)
            if good.any():
                xs += [float(x[good].min()), float(x[good].max())]
                ys += [float(y[good].min()), float(y[good].max())]
    return ((min(xs), max(xs)), (min(ys), max(ys))) if xs else None


def draw(series: Sequence[Series], axes: Axes, width: int, height: int, *, ascii_only: bool = False) -> list[Row]:
    """The chart as exactly `height` rows of exactly `width` cells, whatever the data and the size."""
    if width <= 0 or height <= 0:
        return [[] for _ in range(max(height, 0))]
    columns = plot_width(width, height)
    with_axes = columns < width
    plot_height = height - with_axes
    filled = sorted((one for one in series if len(one.xs)), key=lambda one: (one.kind == "points", not one.faint))
    box = _box(filled, axes)
    if box is None:
        (x_low, x_high), (y_low, y_high) = axes.x_range or (0.0, 1.0), axes.y_range or (0.0, 1.0)
        if axes.log_y:
            y_low, y_high = _log(y_low), _log(y_high)
        cells = _Cells(columns, plot_height)
    else:
        x_low, x_high, y_low, y_high = box
        cells = _paint(filled, axes, box, columns, plot_height, ascii_only)
    if axes.cursor is not None and x_low <= axes.cursor <= x_high > x_low:
        at = int((axes.cursor - x_low) / (x_high - x_low) * (2 * columns - 1) + 0.5) // 2
        cells.rule(at, ":" if ascii_only else "┊")
    rows = [cells.row(i, ascii_only) for i in range(plot_height)]
    if not with_axes:
        return rows
    labels = _y_labels(axes, y_low, y_high, plot_height) if box or axes.y_range else {}
    bar, corner, flat = ("|", "+", "-") if ascii_only else ("│", "└", "─")
    tick = "+" if ascii_only else "┤"
    out = [
        [(f"{labels.get(i, ''):>{LABEL}}", "label"), (tick if i in labels else bar, "axis"), *rows[i]]
        for i in range(plot_height)
    ]
    out.append(
        [
            (f"{axes.x_name:>{LABEL}.{LABEL}}", "label"),
            (corner, "axis"),
            *_x_row(x_low, x_high, columns, flat, bool(box or axes.x_range)),
        ]
    )
    return out


def _box(series: Sequence[Series], axes: Axes) -> tuple[float, float, float, float] | None:
    """(x low, x high, y low, y high) of what is shown, y already logarithmic where asked for."""
    shown = [_logged(one) for one in series] if axes.log_y else list(series)
    found = value_range(shown)
    if found is None:
        return None
    (x_low, x_high), (y_low, y_high) = axes.x_range or found[0], found[1]
    if axes.y_range is not None:
        y_low, y_high = (_log(y) for y in axes.y_range) if axes.log_y else axes.y_range
    if not (math.isfinite(y_high - y_low) and math.isfinite(x_high - x_low)):
        y_low, y_high = max(y_low, -1e150), min(y_high, 1e150)
        x_low, x_high = max(x_low, -1e150), min(x_high, 1e150)
    if x_high <= x_low:
        x_low, x_high = x_low - 0.5, x_low + max(abs(x_low) * 1e-9, 0.5)
    if y_high <= y_low:
        y_low, y_high = y_low - max(abs(y_low) * 0.1, 1e-6), y_low + max(abs(y_low) * 0.1, 1e-6)
    return x_low, x_high, y_low, y_high


def plot_width(width: int, height: int) -> int:
    """Columns of cells that the plot has in a chart of that size: a small one has no axes."""
    return width - GUTTER if width >= 18 and height >= 4 else width


def x_of(column: int, size: tuple[int, int], x_range: tuple[float, float]) -> float:
    """What x the middle of a cell stands for, in a chart of (width, height) cells; the column counts from the chart's left."""
    wide = plot_width(*size)
    share = (column - (size[0] - wide) + 0.5) / max(wide, 1)
    return x_range[0] + min(max(share, 0.0), 1.0) * (x_range[1] - x_range[0])


def _paint(
    series: Sequence[Series],
    axes: Axes,
    box: tuple[float, float, float, float],
    width: int,
    height: int,
    ascii_only: bool,
) -> _Cells:
    import numpy as np

    x_low, x_high, y_low, y_high = box
    cells = _Cells(width, height)
    columns, lines = 2 * width, 4 * height
    for one in series:
        x, y = _arrays(_logged(one) if axes.log_y else one)
        with np.errstate(all="ignore"):
            inside = (x >= x_low) & (x <= x_high)
            x, y = x[inside], y[inside]
            column = np.clip((x - x_low) / (x_high - x_low) * (columns - 1) + 0.5, 0, columns - 1).astype(np.int64)
            good = _finite(x, y)
            line = np.where(good, (y_high - y) / (y_high - y_low), 0.0) * (lines - 1)
            line = np.clip(line, 0, lines - 1)
        if one.kind == "points":
            marker = "o" if ascii_only else one.marker
            for c, r in zip(column[good] // 2, (line[good] + 0.5).astype(np.int64) // 4, strict=True):
                other = cells.role_at(int(r), int(c)) not in ("", "nan", one.role)
                cells.put(int(r), int(c), BOTH_MARK[ascii_only] if other else marker, one.role)
            continue
        gaps = np.unique(column[~good])
        if good.any():
            low, high = _spans(column[good], line[good], gaps, columns)
            rows = np.arange(lines)[:, None]
            dots = (rows >= low) & (rows <= high)
            if one.dashed:  # a spike is drawn in the gaps too
                dots[:, (np.arange(columns) % DASH_PERIOD >= DASH_ON) & (high - low < SPIKE_DOTS)] = False
            cells.add(dots, one.role, one.faint)
        for c in gaps:
            cells.put(0, int(c) // 2, GAP_MARK[ascii_only], "nan")
    return cells


def _spans(column: Any, line: Any, gaps: Any, columns: int) -> tuple[Any, Any]:
    """Lowest and highest dot of the curve in each column, shape (columns,); low > high where there is nothing."""
    import numpy as np

    starts = np.flatnonzero(np.diff(column, prepend=-1))
    filled = column[starts]
    ends = np.append(starts[1:], len(column)) - 1
    low, high = np.full(columns, 1e9), np.full(columns, -1e9)
    enter, leave = np.zeros(columns), np.zeros(columns)
    low[filled], high[filled] = np.minimum.reduceat(line, starts), np.maximum.reduceat(line, starts)
    enter[filled], leave[filled] = line[starts], line[ends]
    stretch = np.searchsorted(gaps, np.arange(columns))  # equal numbers: no gap in between
    if len(filled) > 1:
        left, right = filled[:-1], filled[1:]
        joined = stretch[left] == stretch[right]
        empty = np.arange(filled[0], filled[-1] + 1)
        before = np.clip(np.searchsorted(filled, empty, side="right") - 1, 0, len(left) - 1)
        a, b = left[before], right[before]
        between = joined[before] & (empty > a) & (empty < b)
        at, a, b = empty[between], a[between], b[between]
        low[at] = high[at] = enter[at] = leave[at] = leave[a] + (enter[b] - leave[a]) * (at - a) / (b - a)
    has = high >= low
    pairs = np.flatnonzero(has[:-1] & has[1:] & (stretch[:-1] == stretch[1:]))
    middle = (leave[pairs] + enter[pairs + 1]) / 2
    for side in (pairs, pairs + 1):
        low[side], high[side] = np.minimum(low[side], middle), np.maximum(high[side], middle)
    return np.where(has, np.floor(low + 0.5), 1e9), np.where(has, np.floor(high + 0.5), -1e9)


class _Cells:
    """The plot's cells: braille dots by role, and single characters on top."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._roles: list[str] = [""]
        self._faint: list[bool] = [True]
        self._codes: Any = None
        self._owner: Any = None
        self._marks: dict[tuple[int, int], tuple[str, str]] = {}
        self._rule: tuple[int, str] | None = None

    def add(self, dots: Any, role: str, faint: bool = False) -> None:
        """Merge dots, shape (4 height, 2 width). Where two curves cross, they take turns in colour: neither hides the other."""
        import numpy as np

        blocks = dots.reshape(self.height, 4, self.width, 2)
        codes = np.einsum("hawb,ab->hw", blocks.astype(np.int64), np.array(_BITS))
        if self._codes is None:
            self._codes = np.zeros((self.height, self.width), np.int64)
            self._owner = np.zeros((self.height, self.width), np.int64)
        self._roles.append(role)
        self._faint.append(faint)
        crossed = (self._owner > 0) & (np.array(self._faint)[self._owner] == faint)
        its_turn = np.arange(self.width) // TURN % 2 == 1
        self._codes |= codes
        self._owner[(codes > 0) & (~crossed | its_turn)] = len(self._roles) - 1

    def put(self, row: int, column: int, character: str, role: str) -> None:
        """Set one cell."""
        self._marks[min(max(row, 0), self.height - 1), min(max(column, 0), self.width - 1)] = (character, role)

    def role_at(self, row: int, column: int) -> str:
        """Whose single character stands there; empty when nobody's does."""
        return self._marks.get((row, column), ("", ""))[1]

    def rule(self, column: int, character: str) -> None:
        """Draw a vertical line behind everything else."""
        self._rule = (column, character)

    def row(self, i: int, ascii_only: bool) -> Row:
        """One row as runs of equal roles."""
        if self._codes is None and not self._marks and self._rule is None:
            return [(" " * self.width, "")]
        if self._codes is None:
            characters, roles = [" "] * self.width, [""] * self.width
        else:
            shape = _ascii if ascii_only else _braille
            characters = [shape(code) for code in self._codes[i].tolist()]
            roles = [self._roles[owner] for owner in self._owner[i].tolist()]
        for (mark_row, column), (character, role) in self._marks.items():
            if mark_row == i:
                characters[column], roles[column] = character, role
        if self._rule is not None and characters[self._rule[0]] == " ":
            characters[self._rule[0]], roles[self._rule[0]] = self._rule[1], "cursor"
        return _runs(characters, roles)


def _runs(characters: Sequence[str], roles: Sequence[str]) -> Row:
    out: Row = []
    start = 0
    for i in range(1, len(roles) + 1):
        if i == len(roles) or roles[i] != roles[start]:
            out.append(("".join(characters[start:i]), roles[start]))
            start = i
    return out


def _braille(code: int) -> str:
    return chr(0x2800 + code) if code else " "


def _ascii(code: int) -> str:
    if not code:
        return " "
    top, bottom = code & 0x1B, code & 0xE4
    return ":" if top and bottom else "'" if top else "."


def _y_labels(axes: Axes, low: float, high: float, height: int) -> dict[int, str]:
    """The labels by their rows; `low` and `high` are logarithms where the axis is logarithmic."""

    def ticks(most: int) -> list[float]:
        found = (log_ticks if axes.log_y else nice_ticks)(low, high, most)
        return [tick for tick in found if math.isfinite(tick)]  # an axis may reach beyond the largest float

    labels = {}
    for tick, label in labelled_ticks(ticks, max(2, height // 2), LABEL, percent=axes.percent):
        row = int((high - (_log(tick) if axes.log_y else tick)) / (high - low) * (4 * height - 1) + 0.5) // 4
        labels[min(max(row, 0), height - 1)] = label
    return labels


def _x_row(low: float, high: float, width: int, flat: str, known: bool) -> Row:
    characters, roles = [flat] * width, ["axis"] * width

    def ticks(most: int) -> list[float]:
        return nice_ticks(low, high, most)

    for tick, text in labelled_ticks(ticks, max(3, width // X_SPACE), X_LABEL) if known else []:
        at = int((tick - low) / (high - low) * (2 * width - 1) + 0.5) // 2 - len(text) // 2
        at = min(max(at, 0), max(width - len(text), 0))
        place = range(at, min(at + len(text), width))
        if len(place) == len(text) and all(roles[i] == "axis" for i in place):
            for i in place:
                characters[i], roles[i] = text[i - at], "label"
    return _runs(characters, roles)


def _arrays(one: Series) -> tuple[Any, Any]:
    import numpy as np

    x, y = np.asarray(one.xs, np.float64), np.asarray(one.ys, np.float64)
    return x[: len(y)], y[: len(x)]


def _finite(x: Any, y: Any) -> Any:
    import numpy as np

    return np.isfinite(x) & np.isfinite(y)


def _logged(one: Series) -> Series:
    import numpy as np

    y = np.asarray(one.ys, np.float64)
    with np.errstate(all="ignore"):
        logs = np.where(y > 0, np.log10(np.where(y > 0, y, 1.0)), np.nan)
    return one._replace(ys=logs.tolist())


def _log(value: float) -> float:
    return math.log10(value) if value > 0 else -9.0
