"""Confusion matrices as heat maps: rows by true digit, columns by prediction, with a cell that can be chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from rich.style import Style
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll

from engines.api import TITLES, RunHistory, plural
from tui.widgets.text_line import TextLine

NO_EVALUATION = "No digit is tested yet: that comes after an epoch, or with held-out digits at the end."
LABEL_CELLS, RIGHT_CELLS = 3, 6
"""The columns of the rows' labels, and of the share of each digit that was read right."""
MIN_CELL, MAX_CELL = 3, 8
"""The widths of a cell in columns."""
GAP = 1
"""Columns between two matrices."""
HEAT_LEVELS = 3
"""Backgrounds of a cell below half of the largest count, which has a look of its own."""


class Cell(NamedTuple):
    """A cell of one engine's matrix."""

    engine: str
    truth: int
    read: int

    @property
    def name(self) -> str:
        """The name of the cell's list of mistakes."""
        return f"{self.truth} read as {self.read} by {TITLES.get(self.engine, self.engine)}"


def evaluated(histories: Mapping[str, RunHistory]) -> dict[str, RunHistory]:
    """Return the histories that have a confusion matrix."""
    return {e: h for e, h in histories.items() if h.tested and len(h.tested.confusion) == 100}


def count(histories: Mapping[str, RunHistory], cell: Cell | None) -> int:
    """Return how many digits a cell counts; 0 where there is none."""
    history = None if cell is None else evaluated(histories).get(cell.engine)
    return history.tested.confusion[10 * cell.truth + cell.read] if history and history.tested and cell else 0


def most_frequent(histories: Mapping[str, RunHistory]) -> Cell | None:
    """Return the most frequent confusion of any engine; None without an evaluation."""
    cells = [Cell(engine, a, b) for engine in evaluated(histories) for a in range(10) for b in range(10) if a != b]
    return max(cells, key=lambda cell: count(histories, cell), default=None)


def neighbour(histories: Mapping[str, RunHistory], cell: Cell | None, columns: int, rows: int) -> Cell | None:
    """Return the cell some columns and rows further; the matrices stand side by side, and their outer edges are the end."""
    engines = list(evaluated(histories))
    if cell is None or cell.engine not in engines:
        return most_frequent(histories)
    place = min(max(10 * engines.index(cell.engine) + cell.read + columns, 0), 10 * len(engines) - 1)
    return Cell(engines[place // 10], min(max(cell.truth + rows, 0), 9), place % 10)


class ConfusionView(VerticalScroll):
    """The matrices of all engines, side by side where there is room, with cells as large as fit."""

    DEFAULT_CSS = "ConfusionView TextLine { height: auto; }"

    def __init__(self) -> None:
        super().__init__(id="confusion", can_focus=False)

    def compose(self) -> ComposeResult:
        yield TextLine(id="matrices")

    def show(self, histories: Mapping[str, RunHistory], cell: Cell | None, colors: Mapping[str, str]) -> None:
        """Show the matrices of the last evaluations; `cell` is chosen."""
        width, height = self.content_size
        lines = matrices(evaluated(histories), colors, width, height - 2, cell) or [Text(NO_EVALUATION)]
        if cell is not None:
            lines += [
                describe(histories, cell),
                Text(" A row holds one digit, a column what it was read as.", style="dim"),
            ]
        view = self.query_one("#matrices", TextLine)
        view.styles.height = len(lines)
        view.set_text(*lines)


def describe(histories: Mapping[str, RunHistory], cell: Cell) -> Text:
    """Return the sentence about the chosen cell."""
    title, number = TITLES.get(cell.engine, cell.engine), count(histories, cell)
    if cell.truth == cell.read:
        return Text(f" {title} read a {cell.truth} as a {cell.truth}: {plural(number, 'time')}.")
    shows = ". enter shows them" if number else ""
    return Text(f" {title} read a {cell.truth} as a {cell.read}: {plural(number, 'time')}{shows}.")


def matrices(
    histories: Mapping[str, RunHistory], colors: Mapping[str, str], width: int, height: int, chosen: Cell | None = None
) -> list[Text]:
    """Draw a matrix for each engine in `width` columns: beside each other where they fit, and then as high as `height` allows."""
    if not histories:
        return []
    beside = _cell_width(width // len(histories)) >= MIN_CELL
    cell = max(_cell_width(width // len(histories) if beside else width), MIN_CELL)
    rows = min(max((height - 2) // 10, 1), max(cell // 2, 1)) if beside else 1
    blocks = [_matrix(history, colors, cell, rows, chosen) for history in histories.values()]
    if not beside:
        return [line for block in blocks for line in (*block, Text(""))][:-1]
    return [Text(" " * GAP).join(lines) for lines in zip(*blocks, strict=True)]


def _cell_width(width: int) -> int:
    return min((width - GAP - LABEL_CELLS - RIGHT_CELLS) // 10, MAX_CELL)


def _matrix(history: RunHistory, colors: Mapping[str, str], cell: int, rows: int, chosen: Cell | None) -> list[Text]:
    """Draw one matrix; all of its lines are equally wide."""
    assert history.tested is not None
    counts, color = history.tested.confusion, colors[f"${history.engine}"]
    width = LABEL_CELLS + 10 * cell + RIGHT_CELLS
    title = f"{TITLES.get(history.engine, history.engine)}: {plural(len(history.tested.mistakes), 'mistake')}"
    head = "".join(f"{digit} ".rjust(cell) for digit in range(10))
    lines = [
        Text(f" {title}".ljust(width), style=f"bold {color}"),
        Text.assemble(" " * LABEL_CELLS, (head, "bold"), (f"{'right':>{RIGHT_CELLS}}", "dim")),
    ]
    most = max((counts[10 * a + b] for a in range(10) for b in range(10) if a != b), default=0)
    for truth in range(10):
        its = counts[10 * truth : 10 * truth + 10]
        right = f"{100 * its[truth] / sum(its):.1f}%" if sum(its) else ""
        for row in range(rows):
            middle = row == rows // 2
            text = Text.assemble((f"{truth if middle else '':>{LABEL_CELLS - 1}} ", "bold"))
            for read, number in enumerate(its):
                place = Cell(history.engine, truth, read)
                style = Style.parse(_look(place, number, most, color, colors, place == chosen))
                content = _content(place, number, cell, place == chosen) if middle else " " * cell
                click = Style.from_meta({"@click": f"screen.choose_cell('{history.engine}', {truth}, {read})"})
                text.append(content, style + click)
            text.append(f"{right if middle else '':>{RIGHT_CELLS}}")
            lines.append(text)
    return lines


def _content(place: Cell, number: int, cell: int, chosen: bool) -> str:
    text = "■" if place.truth == place.read else f"{number}" if number else "·"
    if chosen and len(text) < cell:
        text = f"[{text}]" if len(text) + 2 <= cell else f"{text}]"
        return text.rjust(cell)
    return f"{text} ".rjust(cell) if len(text) < cell else text[-cell:]


def _look(place: Cell, number: int, most: int, color: str, colors: Mapping[str, str], chosen: bool) -> str:
    if chosen:
        return f"bold reverse {colors['$accent']}"
    if place.truth == place.read:
        return color
    if not number:
        return "dim"
    if 2 * number > most:
        return f"bold reverse {colors['$error']}"  # reverse, so that it stands out without colours too
    return colors[f"$heat-{1 + min(2 * HEAT_LEVELS * number // max(most, 1), HEAT_LEVELS - 1)}"]
