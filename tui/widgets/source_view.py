"""One section of the engines' code, side by side or one engine alone, highlighted where it runs."""

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

TITLE_ROWS = 1
"""Rows above a section's code."""
MIN_ROWS = TITLE_ROWS + 2
"""Rows of a section without code: its title, an empty line, and the margin."""


class SourceView(Horizontal):
    """A column of code for each engine. Matching sections and functions start in the same row."""

    DEFAULT_CSS = """
    SourceView {
        height: auto;
        .cell { width: 1fr; height: auto; padding: 0 1; border-left: blank; }
        .cell.-runs { border-left: thick $accent; background: $accent 8%; }
        .cell.-runs:ansi { background: ansi_default; }
        .title { text-style: bold; }
        .code { height: auto; margin-bottom: 1; text-wrap: nowrap; }
    }
    """

    def __init__(self, pair: Pair, engines: Sequence[str], mark: str, titles: Sequence[str]) -> None:
        """Show a pair of sections; `mark` goes before the title while a section runs, `titles` are the engines' names."""
        super().__init__(classes="pair")
        self._engines = tuple(engines)
        self._titles = dict(zip(engines, titles, strict=True))
        self._mark = mark
        self.show(pair)
        self._block_rows = [0]
        """The rows below the title in which blocks of matching code start."""

    def compose(self) -> ComposeResult:
        for engine in self._engines:
            with Vertical(classes=f"cell -{engine}"):
                yield TextLine(classes="title")
                yield Static(classes="code")

    def show(self, pair: Pair) -> None:
        """Show this pair from the next `fit` on."""
        self.pair = pair
        self._highlighted = [_highlighted(section) for section in pair.sections]
        self._fitted: tuple[object, ...] = ()

    def highlight_running(self, running: AbstractSet[str]) -> None:
        """Mark the columns of the engines that run this section now."""
        for engine, section, cell in zip(self._engines, self.pair.sections, self.query(".cell"), strict=True):
            runs = engine in running
            cell.set_class(runs, "-runs")
            lines = plural(section.lines, "line") if section else "nothing"
            title = f"{self.pair.title} · {self._titles[engine]} · {lines}"
            cell.query_one(TextLine).set_text(Text(f"{self._mark} {title}" if runs else title))

    def fit(self, width: int, shown: Collection[str]) -> bool:
        """Show these engines in columns of `width` cells together, with long lines broken. Return whether anything changed."""
        column_width = max(width // len(shown) - 4, 10)
        if (column_width, tuple(shown)) == self._fitted:
            return False
        self._fitted = (column_width, tuple(shown))
        codes = [section.code if section else "" for section in self.pair.sections]
        blocks = columns(codes, column_width)
        shared_heights = [max(map(len, block)) for block in blocks]
        for i, (engine, cell) in enumerate(zip(self._engines, self.query(".cell"), strict=True)):
            cell.display = engine in shown
            pieces = [block[i] for block in blocks]
            heights = shared_heights if len(shown) > 1 else list(map(len, pieces))
            if engine in shown:
                self._block_rows = [0, *accumulate(height + bool(height) for height in heights)][:-1]
            cell.query_one(".code", Static).update(_draw_blocks(pieces, heights, self._highlighted[i]))
        return True

    def position_at(self, y: int) -> tuple[int, int]:
        """Return (block, rows below its start) of a row; the title is above block 0."""
        if y < TITLE_ROWS:
            return 0, y - TITLE_ROWS
        block = bisect_right(self._block_rows, y - TITLE_ROWS) - 1
        return block, y - TITLE_ROWS - self._block_rows[block]

    def row_at(self, block: int, rows_below: int) -> int:
        """Return the row of a position from `position_at`; the block's last row where the block is shorter now."""
        start = self._block_rows[block]
        end = self._block_rows[block + 1] if block + 1 < len(self._block_rows) else start + rows_below + 1
        return TITLE_ROWS + min(start + rows_below, max(end - 1, start))


def _highlighted(section: Section | None) -> list[Content]:
    """Return a section's lines in the theme's colours."""
    return highlight(section.code, language="python").split("\n", allow_blank=True) if section else []


def _draw_blocks(
    blocks: Sequence[Sequence[Piece | None]], heights: Sequence[int], highlighted: Sequence[Content]
) -> Content:
    """Draw the blocks below one another, padded to their heights, with a blank line between them."""
    lines: list[Content] = []
    for block, height in zip(blocks, heights, strict=True):
        if height:
            drawn = [_slice(piece, highlighted) for piece in block]
            lines += [*drawn, *[Content()] * (height - len(block) + 1)]
    return Content("\n").join(lines[:-1])


def _slice(piece: Piece | None, highlighted: Sequence[Content]) -> Content:
    if piece is None:
        return Content()
    part = highlighted[piece.line].divide((piece.start, piece.end))[1]
    return Content(" " * piece.indent) + part if piece.indent else part
