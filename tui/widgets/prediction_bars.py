"""What one engine reads in a digit: ten bars, its answer, and which weights gave it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical

from engines.api import TITLES
from tui.charts.sparkline import bar
from tui.widgets.text_line import TextLine


class Answer(Vertical):
    """A line for the answer, and a bar for each digit."""

    DEFAULT_CSS = """
    Answer { width: 1fr; height: auto; padding: 0 1; }
    Answer .source { color: $foreground 70%; }
    """

    def __init__(self, engine: str) -> None:
        super().__init__(id=f"answer-{engine}", classes=f"answer -{engine}")
        self.engine = engine
        self.ascii_only = False

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield TextLine(id="reads")
        yield TextLine(id="source", classes="source")
        for digit in range(10):
            yield TextLine(id=f"bar-{digit}")

    def show(
        self,
        probabilities: Sequence[float],
        source: str,
        problem: str,
        colors: Mapping[str, str],
        *,
        title: str = "",
        truth: int | None = None,
    ) -> None:
        """The answer and where it comes from, or why there is none; marked right or wrong where the truth is known."""
        title, color = title or TITLES.get(self.engine, self.engine), colors[f"${self.engine}"]
        best = best_of(probabilities)
        said = f"{title} reads {best}{mark(best, truth)}" if best is not None else title
        self.query_one("#reads", TextLine).set_text(Text(said, style=f"bold {color}"))
        self.query_one("#source", TextLine).set_text(Text(problem or source))
        room = max(self.content_size.width, 12)
        for digit in range(10):
            share = probabilities[digit] if probabilities else 0.0
            line = Text(f"{digit} ", style="bold" if digit == best else "")
            full, rest = bar(share, max(room - 9, 3), ascii_only=self.ascii_only)
            line.append(full, style=color)
            line.append(" " * len(rest))
            percent = f"{100 * share:.1f} %" if share < 0.9995 else "100 %"
            line.append(f"{percent:>7}" if probabilities else "")
            self.query_one(f"#bar-{digit}", TextLine).set_text(line)


def best_of(probabilities: Sequence[float]) -> int | None:
    """The digit that is read; None without an answer."""
    return max(range(10), key=probabilities.__getitem__) if probabilities else None


def mark(read: int, truth: int | None) -> str:
    """Right or wrong; nothing where the truth is not known."""
    return "" if truth is None else " ✓" if read == truth else " ✗"
