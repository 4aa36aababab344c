"""The results card and the confusion matrices, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engines.api import TITLES, RunHistory, plural
from tui.reports.card import Report

NO_EVALUATION = "No digit is tested yet: the first evaluation comes after an epoch."


def card(report: Report, colors: Mapping[str, str]) -> RenderableType:
    """Render every figure of a report in groups, with a column for each engine."""
    table = Table.grid(padding=(0, 2, 0, 0), expand=False)
    table.add_column(no_wrap=True)
    engines = {title: engine for engine, title in TITLES.items()}
    for _ in report.engines:
        table.add_column()
    heads = [Text(name, style=f"bold {colors[f'${engines.get(name, name)}']}") for name in report.engines]
    for i, (title, rows) in enumerate(report.groups):
        table.add_row(Text(title, style="bold"), *(heads if i == 0 else [""] * len(heads)))
        for row in rows:
            values = [Text(value, style="dim" if value.startswith("n/a") else "") for value in row.values]
            table.add_row(f"  {row.label}", *values)
    return table


def verdict_line(report: Report, colors: Mapping[str, str]) -> Text:
    """Render the verdict, its reason, and the caveat on comparing times where there is one."""
    text = Text(report.verdict.capitalize() if report.verdict.islower() else report.verdict, style="bold")
    winner = next((engine for engine, title in TITLES.items() if title in report.verdict), None)
    if winner is not None:
        text.stylize(colors[f"${winner}"])
    elif "tie" in report.verdict:
        text.append(": neither won")
    text.append(f"\n{report.why}", style="not bold")
    if report.badge:
        text.append(f"\n{report.badge}", style=f"not bold {colors['$warning']}")
    return text


def confusions(histories: Sequence[RunHistory], colors: Mapping[str, str], beside: bool) -> RenderableType:
    """Render a confusion matrix for each engine, rows by true digit, columns by prediction; `beside` puts them in one row."""
    tested = [history for history in histories if history.evaluations and len(history.evaluations[-1].confusion) == 100]
    matrices = [_matrix(history, colors) for history in tested]
    if not matrices:
        return Text(NO_EVALUATION)
    if not beside:
        return Group(*(part for matrix in matrices for part in (matrix, Text(""))))
    row = Table.grid(padding=(0, 4, 0, 0))
    row.add_row(*matrices)
    return row


def _matrix(history: RunHistory, colors: Mapping[str, str]) -> RenderableType:
    counts, color = history.evaluations[-1].confusion, colors[f"${history.engine}"]
    table = Table.grid(padding=(0, 0, 0, 1))
    heads = [Text(f"{digit:>3}", style="bold") for digit in range(10)]
    table.add_row(Text("was╲read", style="dim"), *heads, Text(" right", style="dim"))
    most = max((counts[10 * a + b] for a in range(10) for b in range(10) if a != b), default=0)
    for truth in range(10):
        row = counts[10 * truth : 10 * truth + 10]
        cells = []
        for prediction, count in enumerate(row):
            if prediction == truth:
                cells.append(Text(f"{'■':>3}", style=color))
            elif not count:
                cells.append(Text(f"{'·':>3}", style="dim"))
            else:
                cells.append(Text(f"{count:>3}", style=f"bold reverse {colors['$error']}" if 2 * count > most else ""))
        right = f"{100 * row[truth] / sum(row):5.1f} %" if sum(row) else ""
        table.add_row(Text(f"{truth:>8}", style="bold"), *cells, Text(right))
    wrong = len(history.evaluations[-1].mistakes)
    title = Text(f"{TITLES.get(history.engine, history.engine)}: {plural(wrong, 'mistake')}", style=f"bold {color}")
    return Group(title, table)
