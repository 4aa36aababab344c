"""One section of both engines' code beside each other, coloured by kind of word, and lit where it runs."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.highlight import highlight
from textual.widgets import Static

from engines.api import Section
from tui.code import Pair, breaks, indent_of
from tui.widgets.line import Line


class SourcePair(Horizontal):
    """A column for each engine; the taller one gives the height, so the next section begins beside its twin."""

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
        self._width = 0

    def compose(self) -> ComposeResult:
        """Title and code of each engine."""
        for engine in self._engines:
            with Vertical(classes=f"cell -{engine}"):
                yield Line(classes="title")
                yield Static(classes="code")

    def light(self, running: AbstractSet[str]) -> None:
        """Mark the columns of those engines in which this section runs now."""
        for engine, section, cell in zip(self._engines, self.pair.sections, self.query(".cell"), strict=True):
            runs = engine in running
            cell.set_class(runs, "-runs")
            lines = f"{section.lines} line{'s' * (section.lines != 1)}" if section else "nothing"
            said = f"{self.pair.title} · {self._titles[engine]} · {lines}"
            cell.query_one(Line).say(Text(f"{self._mark} {said}" if runs else said))

    def fit(self, width: int) -> None:
        """Break lines so that they fit into columns that are so wide together."""
        room = max(width // len(self._engines) - 4, 10)
        if room == self._width:
            return
        self._width = room
        for colored, code in zip(self._colored, self.query(".code").results(Static), strict=True):
            code.update(_broken(colored, room))


def _colored(section: Section | None) -> list[Content]:
    """The lines, in the theme's colours."""
    return highlight(section.code, language="python").split("\n", allow_blank=True) if section else []


def _broken(lines: Sequence[Content], width: int) -> Content:
    """Lines that are too long go on below, moved in."""
    out: list[Content] = []
    for line in lines:
        indent = Content(" " * indent_of(line.plain, width))
        for i, part in enumerate(breaks(line.plain, width)):
            cut = line.divide(part)[1]
            out.append(indent + cut if i else cut)
    return Content("\n").join(out)
