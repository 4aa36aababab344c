"""A line chart in braille that shows every sample, however many share a column.

Each column of dots spans the lowest to the highest of its samples, so a spike of one sample survives. Neighbouring columns are
joined, columns without samples are interpolated, and a NaN is a marked gap. numpy is imported with the first curve, after the
app's first paint. Curves have layers: where one of a higher layer is in a cell, those below it are not drawn; curves of one
layer that meet in a cell get a look of their own there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from tui.charts.scales import LINEAR, FittedAxis, fit, position, positions
from tui.charts.ticks import labelled_ticks, nice_ticks

TextRun = tuple[str, str]
"""(text, role): the widget chooses a style by the role."""
Row = list[TextRun]

LABEL_WIDTH = 5
"""Cells of a label at the y axis."""
GUTTER_WIDTH = LABEL_WIDTH + 1
"""Cells to the left of the plot: a label and the axis."""
X_TICK_SPACING, X_LABEL_WIDTH = 12, 9
"""Fewest cells between two ticks of the x axis, and most cells of a label there."""
DASH_ON, DASH_PERIOD = 4, 8
"""Length of a dash, and from dash to dash, in columns of dots."""
SHARED = "shared"
"""The role of cells in which curves of one layer and different roles meet."""
SPIKE_DOTS = 6
"""Height in dots from which a spike of a dashed line is drawn in its gaps too."""
FAR_LINES = 1e6
"""Lines of dots above or below the plot beyond which a value is not told apart from others."""
GAP_MARK = ("×", "x")
OVERLAP_MARK = ("◈", "8")
"""Mark of a cell with points of two curves."""
_BITS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The braille bit of each dot in a cell, by row and column (Unicode chapter 21.1)."""


class Series(NamedTuple):
    """One curve, or its points."""

    role: str
    xs: Sequence[float]
    """Ascending x values."""
    ys: Sequence[float]
    kind: str = "line"
    """"line" or "points"."""
    marker: str = "●"
    dashed: bool = False
    layer: int = 0
    """Curves of lower layers are not drawn in the cells of this one."""


class Axes(NamedTuple):
    """The visible ranges, where None fits the data, and the labels. y may show a little more, so that its ticks are on rows."""

    x_range: tuple[float, float] | None = None
    y_range: tuple[float, float] | None = None
    scale: str = LINEAR
    percent: bool = False
    """True where y is a fraction, labelled in percent."""
    x_name: str = ""
    """The name in the corner, at most five characters."""
    cursor: float | None = None
    """The x of the vertical cursor line."""


def value_range(series: Sequence[Series]) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Return ((lowest x, highest x), (lowest y, highest y)) of all finite samples; None when there is none."""
    xs: list[float] = []
    ys: list[float] = []
    for curve in series:
        if len(curve.xs):
            x, y = _arrays(curve)
            finite = _finite(x, y)
            if finite.any():
                xs += [float(x[finite].min()), float(x[finite].max())]
                ys += [float(y[finite].min()), float(y[finite].max())]
    return ((min(xs), max(xs)), (min(ys), max(ys))) if xs else None


def draw(series: Sequence[Series], axes: Axes, width: int, height: int, *, ascii_only: bool = False) -> list[Row]:
    """Draw the chart as exactly `height` rows of exactly `width` cells, for any data and any size."""
    if width <= 0 or height <= 0:
        return [[] for _ in range(max(height, 0))]
    columns = plot_width(width, height)
    with_axes = columns < width
    plot_height = height - with_axes
    curves = sorted(
        (curve for curve in series if len(curve.xs)), key=lambda curve: (curve.kind == "points", curve.layer)
    )
    ranges = _visible_ranges(curves, axes)
    if ranges is None:
        (x_low, x_high), (y_low, y_high) = axes.x_range or (0.0, 1.0), axes.y_range or (0.0, 1.0)
        y_low, y_high = position(axes.scale, y_low), position(axes.scale, y_high)
    else:
        x_low, x_high, y_low, y_high = ranges
    y_axis = FittedAxis(y_low, y_high)
    if with_axes and y_low < y_high:
        y_axis = fit(axes.scale, y_low, y_high, plot_height, LABEL_WIDTH, percent=axes.percent)
    cells = _CellGrid(columns, plot_height)
    if ranges is not None:
        _draw_curves(cells, curves, axes, (x_low, x_high), y_axis, ascii_only)
    if axes.cursor is not None and x_low <= axes.cursor <= x_high > x_low:
        column = int((axes.cursor - x_low) / (x_high - x_low) * (2 * columns - 1) + 0.5) // 2
        cells.draw_cursor(column, ":" if ascii_only else "┊")
    rows = [cells.row(i, ascii_only) for i in range(plot_height)]
    if not with_axes:
        return rows
    shown_labels = y_axis.labels if ranges or axes.y_range else ()
    labels = {y_axis.row(tick, plot_height): label for tick, label in shown_labels}
    bar, corner, flat = ("|", "+", "-") if ascii_only else ("│", "└", "─")
    tick = "+" if ascii_only else "┤"
    chart = [
        [(f"{labels.get(i, ''):>{LABEL_WIDTH}}", "label"), (tick if i in labels else bar, "axis"), *rows[i]]
        for i in range(plot_height)
    ]
    x_name = (f"{axes.x_name:>{LABEL_WIDTH}.{LABEL_WIDTH}}", "label")
    chart.append([x_name, (corner, "axis"), *_x_axis(x_low, x_high, columns, flat, bool(ranges or axes.x_range))])
    return chart


def _visible_ranges(series: Sequence[Series], axes: Axes) -> tuple[float, float, float, float] | None:
    """Return (x low, x high, y low, y high), as positions of y on its scale; None without finite samples."""
    ranges = value_range([curve._replace(ys=positions(axes.scale, curve.ys)) for curve in series])
    if ranges is None:
        return None
    (x_low, x_high), (y_low, y_high) = axes.x_range or ranges[0], ranges[1]
    if axes.y_range is not None:
        y_low, y_high = (position(axes.scale, y) for y in axes.y_range)
    if not (math.isfinite(y_high - y_low) and math.isfinite(x_high - x_low)):
        y_low, y_high = max(y_low, -1e150), min(y_high, 1e150)
        x_low, x_high = max(x_low, -1e150), min(x_high, 1e150)
    if x_high <= x_low:
        x_low, x_high = x_low - 0.5, x_low + max(abs(x_low) * 1e-9, 0.5)
    if y_high <= y_low:
        y_low, y_high = y_low - max(abs(y_low) * 0.1, 1e-6), y_low + max(abs(y_low) * 0.1, 1e-6)
    return x_low, x_high, y_low, y_high


def plot_width(width: int, height: int) -> int:
    """Return the columns of the plot in a chart of this size; a small chart has no axes."""
    return width - GUTTER_WIDTH if width >= 18 and height >= 4 else width


def x_of(column: int, size: tuple[int, int], x_range: tuple[float, float]) -> float:
    """Return the x of a cell's middle in a chart of (width, height) cells; `column` counts from the chart's left."""
    columns = plot_width(*size)
    fraction = (column - (size[0] - columns) + 0.5) / max(columns, 1)
    return x_range[0] + min(max(fraction, 0.0), 1.0) * (x_range[1] - x_range[0])


def _draw_curves(
    cells: _CellGrid,
    series: Sequence[Series],
    axes: Axes,
    x_range: tuple[float, float],
    y_axis: FittedAxis,
    ascii_only: bool,
) -> None:
    """Draw the curves; what is above or below the visible range runs off the plot."""
    import numpy as np

    x_low, x_high = x_range
    columns, lines = 2 * cells.width, 4 * cells.height
    for curve in series:
        x, y = _arrays(curve._replace(ys=positions(axes.scale, curve.ys)))
        with np.errstate(all="ignore"):
            inside = (x >= x_low) & (x <= x_high)
            x, y = x[inside], y[inside]
            column = np.clip((x - x_low) / (x_high - x_low) * (columns - 1) + 0.5, 0, columns - 1).astype(np.int64)
            finite = _finite(x, y)
            line = np.where(finite, (y_axis.high - y) / (y_axis.high - y_axis.low), 0.0) * (lines - 1)
            line = np.clip(line, -FAR_LINES, FAR_LINES)
        if curve.kind == "points":
            marker = "o" if ascii_only else curve.marker
            visible = finite & (line > -1) & (line < lines)
            for c, r in zip(column[visible] // 2, (line[visible] + 0.5).astype(np.int64) // 4, strict=True):
                overlaps = cells.mark_role(int(r), int(c)) not in ("", "nan", curve.role)
                cells.put(int(r), int(c), OVERLAP_MARK[ascii_only] if overlaps else marker, curve.role)
            continue
        gaps = np.unique(column[~finite])
        if finite.any():
            low, high = _spans(column[finite], line[finite], gaps, columns)
            rows = np.arange(lines)[:, None]
            dots = (rows >= low) & (rows <= high)
            if curve.dashed:
                dots[:, (np.arange(columns) % DASH_PERIOD >= DASH_ON) & (high - low < SPIKE_DOTS)] = False
            cells.add(dots, curve.role, curve.layer)
        for c in gaps:
            cells.put(0, int(c) // 2, GAP_MARK[ascii_only], "nan")


def _spans(column: Any, line: Any, gaps: Any, columns: int) -> tuple[Any, Any]:
    """Return the lowest and highest dot of the curve in each column, shape (columns,); low > high where it has none."""
    import numpy as np

    starts = np.flatnonzero(np.diff(column, prepend=-1))
    filled = column[starts]
    ends = np.append(starts[1:], len(column)) - 1
    low, high = np.full(columns, 1e9), np.full(columns, -1e9)
    first, last = np.zeros(columns), np.zeros(columns)
    low[filled], high[filled] = np.minimum.reduceat(line, starts), np.maximum.reduceat(line, starts)
    first[filled], last[filled] = line[starts], line[ends]
    gaps_before = np.searchsorted(gaps, np.arange(columns))  # equal for two columns without a gap between them
    if len(filled) > 1:
        left, right = filled[:-1], filled[1:]
        joined = gaps_before[left] == gaps_before[right]
        inner = np.arange(filled[0], filled[-1] + 1)
        before = np.clip(np.searchsorted(filled, inner, side="right") - 1, 0, len(left) - 1)
        a, b = left[before], right[before]
        between = joined[before] & (inner > a) & (inner < b)
        c, a, b = inner[between], a[between], b[between]
        low[c] = high[c] = first[c] = last[c] = last[a] + (first[b] - last[a]) * (c - a) / (b - a)
    drawn = high >= low
    pairs = np.flatnonzero(drawn[:-1] & drawn[1:] & (gaps_before[:-1] == gaps_before[1:]))
    middle = (last[pairs] + first[pairs + 1]) / 2
    for side in (pairs, pairs + 1):
        low[side], high[side] = np.minimum(low[side], middle), np.maximum(high[side], middle)
    return np.where(drawn, np.floor(low + 0.5), 1e9), np.where(drawn, np.floor(high + 0.5), -1e9)


class _CellGrid:
    """The plot's cells: braille dots with roles, and marks on top of them."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._roles: list[str] = ["", SHARED]
        self._codes: Any = None
        self._owners: Any = None
        """The index in `_roles` of each cell's role."""
        self._layers: Any = None
        self._marks: dict[tuple[int, int], tuple[str, str]] = {}
        self._cursor: tuple[int, str] | None = None

    def add(self, dots: Any, role: str, layer: int = 0) -> None:
        """Draw a curve's dots, shape (4 height, 2 width), into the cells that no curve of a higher layer owns."""
        import numpy as np

        blocks = dots.reshape(self.height, 4, self.width, 2)
        codes = np.einsum("hawb,ab->hw", blocks.astype(np.int64), np.array(_BITS))
        if self._codes is None:
            self._codes, self._owners = np.zeros((2, self.height, self.width), np.int64)
            self._layers = np.full((self.height, self.width), np.iinfo(np.int64).min)
        if role not in self._roles:
            self._roles.append(role)
        index = self._roles.index(role)
        over, beside = (codes > 0) & (self._layers < layer), (codes > 0) & (self._layers == layer)
        self._owners[beside & (self._owners != index)] = self._roles.index(SHARED)
        self._codes[beside] |= codes[beside]
        self._codes[over], self._owners[over], self._layers[over] = codes[over], index, layer

    def put(self, row: int, column: int, character: str, role: str) -> None:
        """Set the mark of one cell."""
        self._marks[min(max(row, 0), self.height - 1), min(max(column, 0), self.width - 1)] = (character, role)

    def mark_role(self, row: int, column: int) -> str:
        """Return the role of a cell's mark; empty without a mark."""
        return self._marks.get((row, column), ("", ""))[1]

    def draw_cursor(self, column: int, character: str) -> None:
        """Draw a vertical line behind everything else."""
        self._cursor = (column, character)

    def row(self, i: int, ascii_only: bool) -> Row:
        """Return one row as runs of equal roles."""
        if self._codes is None and not self._marks and self._cursor is None:
            return [(" " * self.width, "")]
        if self._codes is None:
            characters, roles = [" "] * self.width, [""] * self.width
        else:
            to_character = _ascii if ascii_only else _braille
            characters = [to_character(code) for code in self._codes[i].tolist()]
            roles = [self._roles[owner] for owner in self._owners[i].tolist()]
        for (mark_row, column), (character, role) in self._marks.items():
            if mark_row == i:
                characters[column], roles[column] = character, role
        if self._cursor is not None and characters[self._cursor[0]] == " ":
            characters[self._cursor[0]], roles[self._cursor[0]] = self._cursor[1], "cursor"
        return _runs(characters, roles)


def _runs(characters: Sequence[str], roles: Sequence[str]) -> Row:
    """Join neighbouring cells of equal role."""
    row: Row = []
    start = 0
    for i in range(1, len(roles) + 1):
        if i == len(roles) or roles[i] != roles[start]:
            row.append(("".join(characters[start:i]), roles[start]))
            start = i
    return row


def _braille(code: int) -> str:
    return chr(0x2800 + code) if code else " "


def _ascii(code: int) -> str:
    if not code:
        return " "
    top, bottom = code & 0x1B, code & 0xE4
    return ":" if top and bottom else "'" if top else "."


def _x_axis(low: float, high: float, width: int, flat: str, with_labels: bool) -> Row:
    characters, roles = [flat] * width, ["axis"] * width

    def ticks(max_count: int) -> list[float]:
        return nice_ticks(low, high, max_count)

    for tick, text in labelled_ticks(ticks, max(3, width // X_TICK_SPACING), X_LABEL_WIDTH) if with_labels else []:
        start = int((tick - low) / (high - low) * (2 * width - 1) + 0.5) // 2 - len(text) // 2
        start = min(max(start, 0), max(width - len(text), 0))
        cells = range(start, min(start + len(text), width))
        if len(cells) == len(text) and all(roles[i] == "axis" for i in cells):
            for i in cells:
                characters[i], roles[i] = text[i - start], "label"
    return _runs(characters, roles)


def _arrays(series: Series) -> tuple[Any, Any]:
    import numpy as np

    x, y = np.asarray(series.xs, np.float64), np.asarray(series.ys, np.float64)
    return x[: len(y)], y[: len(x)]


def _finite(x: Any, y: Any) -> Any:
    import numpy as np

    return np.isfinite(x) & np.isfinite(y)
