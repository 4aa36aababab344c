"""One engine's prediction for a digit: ten bars, the answer, and the weights that gave it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical

from engines.api import TITLES
from tui.charts.sparkline import progress_bar
from tui.widgets.text_line import TextLine


class PredictionBars(Vertical):
    """A line with the answer, and a bar for each digit."""

    DEFAULT_CSS = """
    PredictionBars { width: 1fr; height: auto; padding: 0 1; }
    PredictionBars .source { color: $foreground 70%; }
    """

    def __init__(self, engine: str) -> None:
        super().__init__(id=f"answer-{engine}", classes=f"answer -{engine}")
        self.engine = engine
        self.ascii_only = False

    def compose(self) -> ComposeResult:
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
        """Show the answer with its source, or the reason why there is none; with `truth`, mark it right or wrong."""
        title, color = title or TITLES.get(self.engine, self.engine), colors[f"${self.engine}"]
        best = best_digit(probabilities)
        answer = f"{title} reads {best}{right_or_wrong(best, truth)}" if best is not None else title
        self.query_one("#reads", TextLine).set_text(Text(answer, style=f"bold {color}"))
        self.query_one("#source", TextLine).set_text(Text(problem or source))
        width = max(self.content_size.width, 12)
        for digit in range(10):
            probability = probabilities[digit] if probabilities else 0.0
            line = Text(f"{digit} ", style="bold" if digit == best else "")
            filled, rest = progress_bar(probability, max(width - 9, 3), ascii_only=self.ascii_only)
            line.append(filled, style=color)
            line.append(" " * len(rest))
            percent = f"{100 * probability:.1f} %" if probability < 0.9995 else "100 %"
            line.append(f"{percent:>7}" if probabilities else "")
            self.query_one(f"#bar-{digit}", TextLine).set_text(line)


def best_digit(probabilities: Sequence[float]) -> int | None:
    """Return the most probable digit; None without probabilities."""
    return max(range(10), key=probabilities.__getitem__) if probabilities else None


def right_or_wrong(digit: int, truth: int | None) -> str:
    """Return the mark of a right or a wrong answer; empty where the truth is unknown."""
    return "" if truth is None else " ✓" if digit == truth else " ✗"
