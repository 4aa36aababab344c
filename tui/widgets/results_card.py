"""The results card, and the confusions beside it, as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engines.api import TITLES, RunHistory, plural
from tui.reports.card import Report


def card(said: Report, colors: Mapping[str, str]) -> RenderableType:
    """Every figure in groups, a column for each engine."""
    table = Table.grid(padding=(0, 2, 0, 0), expand=False)
    table.add_column(no_wrap=True)
    engines = {title: engine for engine, title in TITLES.items()}
    for _ in said.engines:
        table.add_column()
    heads = [Text(name, style=f"bold {colors[f'${engines.get(name, name)}']}") for name in said.engines]
    for i, (title, rows) in enumerate(said.groups):
        table.add_row(Text(title, style="bold"), *(heads if i == 0 else [""] * len(heads)))
        for row in rows:
            unknown = [Text(value, style="dim" if value.startswith("n/a") else "") for value in row.values]
            table.add_row(f"  {row.label}", *unknown)
    return table


def verdict_line(said: Report, colors: Mapping[str, str]) -> Text:
    """Who won, or that neither did, and why; and whether times may be compared."""
    text = Text(said.verdict.capitalize() if said.verdict.islower() else said.verdict, style="bold")
    winner = next((engine for engine, title in TITLES.items() if title in said.verdict), None)
    if winner is not None:
        text.stylize(colors[f"${winner}"])
    elif "tie" in said.verdict:
        text.append(": neither won")
    text.append(f"\n{said.why}", style="not bold")
    if said.badge:
        text.append(f"\n{said.badge}", style=f"not bold {colors['$warning']}")
    return text


def confusions(histories: Sequence[RunHistory], colors: Mapping[str, str], beside: bool) -> RenderableType:
    """A matrix for each engine: rows are what the digits were, columns what was read."""
    tested = [one for one in histories if one.evaluations and len(one.evaluations[-1].confusion) == 100]
    matrices = [_matrix(history, colors) for history in tested]
    if not matrices:
        return Text("No digit is tested yet: the first evaluation comes after an epoch.")
    if not beside:
        return Group(*(part for matrix in matrices for part in (matrix, Text(""))))
    both = Table.grid(padding=(0, 4, 0, 0))
    both.add_row(*matrices)
    return both


def _matrix(history: RunHistory, colors: Mapping[str, str]) -> RenderableType:
    counts, color = history.evaluations[-1].confusion, colors[f"${history.engine}"]
    table = Table.grid(padding=(0, 0, 0, 1))
    heads = [Text(f"{digit:>3}", style="bold") for digit in range(10)]
    table.add_row(Text("was╲read", style="dim"), *heads, Text(" right", style="dim"))
    most = max((counts[10 * a + b] for a in range(10) for b in range(10) if a != b), default=0)
    for was in range(10):
        row = counts[10 * was : 10 * was + 10]
        cells = []
        for read, count in enumerate(row):
            if read == was:
                cells.append(Text(f"{'■':>3}", style=color))
            elif not count:
                cells.append(Text(f"{'·':>3}", style="dim"))
            else:
                cells.append(Text(f"{count:>3}", style=f"bold reverse {colors['$error']}" if 2 * count > most else ""))
        share = f"{100 * row[was] / sum(row):5.1f} %" if sum(row) else ""
        table.add_row(Text(f"{was:>8}", style="bold"), *cells, Text(share))
    wrong = len(history.evaluations[-1].mistakes)
    title = Text(f"{TITLES.get(history.engine, history.engine)}: {plural(wrong, 'mistake')}", style=f"bold {color}")
    return Group(title, table)
