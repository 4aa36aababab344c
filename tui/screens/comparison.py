"""The comparison dialog: the figures of several runs, verdicts on their networks, and the settings that differ."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from engines.api import read_run
from tui import formatting
from tui.reports import comparison
from tui.screens.base import WIDE
from tui.widgets.key_bar import KeyBar


class ComparisonDialog(ModalScreen[None]):
    """Compares saved runs, which it reads when it opens."""

    BINDINGS = [Binding("escape,q,enter", "close", "Close")]
    CSS = """
    ComparisonDialog { align: center middle; background: $background 60%; }
    ComparisonDialog > VerticalScroll {
        width: 140; max-width: 100%; height: auto; max-height: 100%; scrollbar-size-vertical: 1;
        border: round $primary; border-title-style: bold; padding: 0 1; background: $surface;
    }
    """

    def __init__(self, runs: Sequence[tuple[str, Path]]) -> None:
        """Compare these runs, each a name for people and a folder."""
        super().__init__()
        self._runs = runs

    def compose(self) -> ComposeResult:
        with VerticalScroll() as box:
            box.border_title = f"{len(self._runs)} runs compared"
            yield Static("Reading the runs…", id="comparison")
        yield KeyBar()

    def on_mount(self) -> None:
        self._compare()

    @work(thread=True, exit_on_error=False)
    def _compare(self) -> None:
        """Read the runs and compare them in a thread: a long run has thousands of events."""
        try:
            runs = [comparison.entries([(name, read_run(folder)[0])]) for name, folder in self._runs]
            empty = [folder.name for (_, folder), entries in zip(self._runs, runs, strict=True) if not entries]
            missing = Text(formatting.to_plain_text(f"There are no events of a run in {', '.join(empty)}."))
            entries = list(itertools.chain(*runs))
            parts = [_render(entries, self.size.width >= WIDE)] if entries else []
            shown = Group(*[missing] * bool(empty), *parts)
        except OSError as error:
            shown = Group(Text(f"A run can't be read: {error.strerror or error}."))
        self.app.call_from_thread(self._show, shown)

    def _show(self, shown: Group) -> None:
        if self.is_mounted:
            self.query_one("#comparison", Static).update(shown)

    def action_close(self) -> None:
        self.dismiss()


def _render(compared: Sequence[comparison.Entry], wide: bool) -> Group:
    settings = comparison.setting_rows(compared)
    verdicts = [Text(f"\n{line}") for line in (*comparison.verdicts(compared), *comparison.notes(compared))]
    title = Text("\nSettings that differ" if settings else f"\n{comparison.SAME_SETTINGS}", style="bold")
    return Group(_table(_figure_rows(compared, wide)), *verdicts, title, *([_table(settings)] if settings else []))


def _figure_rows(compared: Sequence[comparison.Entry], wide: bool) -> list[list[str]]:
    """Return the figures without what is the same in all; where room is short, frameworks are without their versions."""
    columns = [list(column) for column in zip(*comparison.figure_rows(compared), strict=True)]
    if not wide:
        columns[2][1:] = [entry.title for entry in compared]
    distinct = [column for column in columns if column[0] not in ("device", "epochs") or len(set(column[1:])) > 1]
    return [list(row) for row in zip(*distinct, strict=True)]


def _table(rows: Sequence[Sequence[str]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in rows[0]:
        table.add_column(overflow="fold")
    for number, row in enumerate(rows):
        table.add_row(*map(formatting.to_plain_text, row), style="" if number else "bold")
    return table
