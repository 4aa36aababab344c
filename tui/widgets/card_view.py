"""The results card: its verdict, large accuracies where there is room, every figure, and the confusion matrices beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.widgets import Digits, Static

from engines.api import TITLES, RunHistory
from tui import formatting
from tui.reports.card import Report, Row
from tui.widgets.confusion_matrix import evaluated, matrices
from tui.widgets.text_line import TextLine

MATRICES_FROM = 160
"""The width of the screen in columns from which the confusion matrices are shown beside the card."""
MATRIX_COLUMNS = 54
BAR_CELLS, VALUE_CELLS = 8, 10
"""The widths of a bar and of the values before it; a longer value has no bar."""
NARROW = 56
"""The width in columns below which each figure's values are in a line below its label."""
BETTER = "◄"


class CardView(VerticalScroll):
    """Shows a report and the histories that it is about."""

    def __init__(self, engines: Sequence[str]) -> None:
        super().__init__(id="card", can_focus=False)
        self._engines = engines

    def compose(self) -> ComposeResult:
        with Horizontal(id="big"):
            for engine in self._engines:
                yield Static(TITLES.get(engine, engine), classes=f"name -{engine}")
                yield Digits("", id=f"big-{engine}")
                yield Static("%", classes="percent")
        yield Static(id="verdict")
        with Horizontal(id="figures"):
            yield Static(id="rows")
            yield TextLine(id="beside")

    def show(self, report: Report | None, histories: Mapping[str, RunHistory], colors: Mapping[str, str]) -> None:
        """Show a report, or that there is none yet."""
        if report is None:
            self.query_one("#verdict", Static).update("No results yet. Press s to train.")
            return
        self.query_one("#verdict", Static).update(verdict_text(report, colors))
        self.query_one("#rows", Static).update(figures_table(report, colors, self.content_size.width))
        for digits in self.query(Digits):
            history = histories.get(str(digits.id).removeprefix("big-"))
            accuracy = None if history is None else history.test_accuracy
            digits.update(formatting.percent(accuracy).replace("–", "-").removesuffix(" %"))
        beside = self.query_one("#beside", TextLine)
        beside.display = self.screen.size.width >= MATRICES_FROM
        if beside.display:
            stacked = [matrices({engine: h}, colors, MATRIX_COLUMNS, 0) for engine, h in evaluated(histories).items()]
            lines = [line for matrix in stacked for line in (*matrix, Text())]
            beside.styles.height = len(lines)
            beside.set_text(*lines)


def figures_table(report: Report, colors: Mapping[str, str], width: int) -> RenderableType:
    """Render every figure of a report in groups, with a column for each engine, bars, and the better value marked."""
    narrow = width < NARROW
    engines = {title: engine for engine, title in TITLES.items()}
    styles = [colors[f"${engines.get(name, name)}"] for name in report.engines]
    heads = [Text(name, style=f"bold {style}") for name, style in zip(report.engines, styles, strict=True)]
    lines: list[tuple[Text, list[Text]]] = []
    for i, (title, rows) in enumerate(report.groups):
        lines.append((Text(title, style="bold"), heads if i == 0 else []))
        for row in rows:
            values = [_value(row, place, style, bars=not narrow) for place, style in enumerate(styles)]
            lines.append((Text(row.label if narrow else f"  {row.label}"), values))
    if narrow:
        parts: list[RenderableType] = []
        for label, values in lines:
            parts += [label, _in_columns(values)] if values else [label]
        return Group(*parts)
    table = Table.grid(padding=(0, 2, 0, 0), expand=False)
    table.add_column(no_wrap=True)
    for label, values in lines:
        table.add_row(label, *values)
    return table


def _in_columns(values: Sequence[Text]) -> Table:
    """Render values in equal columns of the whole width."""
    table = Table.grid(padding=(0, 0, 0, 2), expand=True)
    for _ in values:
        table.add_column(ratio=1)
    table.add_row(*values)
    return table


def _value(row: Row, place: int, color: str, *, bars: bool) -> Text:
    """Render a value, with its bar where `bars`, and with the mark on the better one."""
    value, better = row.values[place], row.better == place
    text = Text(value, style="bold" if better else "dim" if value.startswith("n/a") else "")
    if bars and row.shares and all(len(other) <= VALUE_CELLS for other in row.values):
        halves = round(2 * BAR_CELLS * row.shares[place])
        bar = "━" * (halves // 2) + "╸" * (halves % 2)
        text.append(" " * (VALUE_CELLS - len(value)))
        text.append(f"{bar:{BAR_CELLS}}", style=f"not bold {color}")
    if better:
        text.append(f" {BETTER}")
    return text


def verdict_text(report: Report, colors: Mapping[str, str]) -> Text:
    """Render the verdict, its reason, the ratio of times or the caveat on them, and what the mark means."""
    text = Text(formatting.sentence(report.verdict), style="bold")
    winner = next((engine for engine, title in TITLES.items() if title in report.verdict), None)
    if winner is not None:
        text.stylize(colors[f"${winner}"])
    elif "tie" in report.verdict:
        text.append(": neither won")
    text.append(f"\n{report.why}", style="not bold")
    if report.times:
        text.append(f"\n{formatting.sentence(report.times)}", style="bold")
    marked = any(row.better is not None for _, rows in report.groups for row in rows)
    if report.badge:
        text.append(f"\n{report.badge}", style=f"not bold {colors['$warning']}")
    if marked:
        separator = " · " if report.badge else "\n"
        text.append(
            f"{separator}{BETTER} marks the better value{', but no times' if report.badge else ''}",
            style="not bold dim",
        )
    return text
