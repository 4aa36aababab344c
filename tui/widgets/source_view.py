"""One section of both engines' code, beside each other or one at a time, coloured by kind of word, and lit where it runs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence, Set as AbstractSet
from itertools import accumulate

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.highlight import highlight
from textual.widgets import Static

from engines.api import Section, plural
from tui.reports.source_columns import Pair, Piece, columns
from tui.widgets.text_line import TextLine

TITLE = 1
"""Rows above a section's code."""


class SourcePair(Horizontal):
    """A column for each engine that is shown; twins, section by section and function by function, begin in the same row."""

    DEFAULT_CSS = """
    SourcePair {
        height: auto;
        .cell { width: 1fr; height: auto; padding: 0 1; border-left: blank; }
        .cell.-runs { border-left: thick $accent; background: $accent 8%; }
        .title { text-style: bold; }
        .code { height: auto; margin-bottom: 1; text-wrap: nowrap; }
    }
    """

    def __init__(self, pair: Pair, engines: Sequence[str], mark: str, titles: Sequence[str]) -> None:
        """`mark` stands before the title of what runs; `titles` are the engines' names for people."""
        super().__init__(classes="pair")
        self.pair = pair
        self._engines = tuple(engines)
        self._titles = dict(zip(engines, titles, strict=True))
        self._mark = mark
        self._colored = [_colored(section) for section in pair.sections]
        self._fitted: tuple[object, ...] = ()
        self._twins = [0]
        """At which lines of the code the twins begin."""

    def compose(self) -> ComposeResult:
        """Title and code of each engine."""
        for engine in self._engines:
            with Vertical(classes=f"cell -{engine}"):
                yield TextLine(classes="title")
                yield Static(classes="code")

    def light(self, running: AbstractSet[str]) -> None:
        """Mark the columns of those engines in which this section runs now."""
        for engine, section, cell in zip(self._engines, self.pair.sections, self.query(".cell"), strict=True):
            runs = engine in running
            cell.set_class(runs, "-runs")
            lines = plural(section.lines, "line") if section else "nothing"
            said = f"{self.pair.title} · {self._titles[engine]} · {lines}"
            cell.query_one(TextLine).set_text(Text(f"{self._mark} {said}" if runs else said))

    def fit(self, width: int, shown: Collection[str]) -> bool:
        """Show those engines in columns that are so wide together; their lines are broken so that they fit.

        Whether that changed anything.
        """
        room = max(width // len(shown) - 4, 10)
        if (room, tuple(shown)) == self._fitted:
            return False
        self._fitted = (room, tuple(shown))
        codes = [section.code if section else "" for section in self.pair.sections]
        rows = columns(codes, room)
        together = [max(map(len, row)) for row in rows]
        for i, (engine, cell) in enumerate(zip(self._engines, self.query(".cell"), strict=True)):
            cell.display = engine in shown
            mine = [row[i] for row in rows]
            heights = together if len(shown) > 1 else list(map(len, mine))
            if engine in shown:
                self._twins = [0, *accumulate(height + bool(height) for height in heights)][:-1]
            cell.query_one(".code", Static).update(_drawn(mine, heights, self._colored[i]))
        return True

    def twin_at(self, y: int) -> tuple[int, int]:
        """Which twin is in that row, and how many rows below its beginning; above it is the title."""
        if y < TITLE:
            return 0, y - TITLE
        twin = bisect_right(self._twins, y - TITLE) - 1
        return twin, y - TITLE - self._twins[twin]

    def offset_of(self, twin: int, rest: int) -> int:
        """The row of what `twin_at` told; where the twin is shorter now, its last."""
        begins = self._twins[twin]
        ends = self._twins[twin + 1] if twin + 1 < len(self._twins) else begins + rest + 1
        return TITLE + min(begins + rest, max(ends - 1, begins))


def _colored(section: Section | None) -> list[Content]:
    """The lines, in the theme's colours."""
    return highlight(section.code, language="python").split("\n", allow_blank=True) if section else []


def _drawn(rows: Sequence[Sequence[Piece | None]], heights: Sequence[int], colored: Sequence[Content]) -> Content:
    """The rows below each other, each as high as it has to be, a blank line between them."""
    out: list[Content] = []
    for row, height in zip(rows, heights, strict=True):
        if height:
            drawn = [_cut(piece, colored) for piece in row]
            out += [*drawn, *[Content()] * (height - len(row) + 1)]
    return Content("\n").join(out[:-1])


def _cut(piece: Piece | None, colored: Sequence[Content]) -> Content:
    if piece is None:
        return Content()
    part = colored[piece.line].divide((piece.start, piece.end))[1]
    return Content(" " * piece.indent) + part if piece.indent else part
