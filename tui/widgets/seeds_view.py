"""The series of seeds: the verdict over them, and a table of which a row can be chosen."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import DataTable, Static

from engines.api import TITLES, SeedResults
from tui.reports import seeds
from tui.reports.seeds import SeedRow
from tui.widgets.text_line import TextLine


class SeedsView(Vertical):
    """Shows the results of a series of seeds."""

    DEFAULT_CSS = """
    SeedsView {
        padding: 0 1;
        #seeds-verdict { height: auto; margin-bottom: 1; }
        #seeds-note { height: auto; margin-top: 1; color: $foreground; text-opacity: 70%; }
    }
    """

    def __init__(self) -> None:
        super().__init__(id="seeds")
        self._rows: list[SeedRow] = []
        self._shown: tuple[object, ...] = ()

    def compose(self) -> ComposeResult:
        yield Static(id="seeds-verdict")
        table: DataTable[Text] = DataTable(id="seeds-table", cursor_type="row", zebra_stripes=True)
        table.can_focus = False
        yield table
        yield TextLine(id="seeds-median")
        yield Static(id="seeds-note")

    @property
    def selected(self) -> str:
        """The id of the chosen seed's runs; empty without any."""
        row = self.query_one(DataTable).cursor_row
        return self._rows[row].run_id if 0 <= row < len(self._rows) else ""

    def move(self, rows: int) -> None:
        """Choose another seed."""
        table = self.query_one(DataTable)
        table.move_cursor(row=table.cursor_row + rows)

    def select(self, run_id: str) -> None:
        """Choose the seed of a run, if it is in the table."""
        ids = [row.run_id for row in self._rows]
        if run_id in ids:
            self.query_one(DataTable).move_cursor(row=ids.index(run_id))

    def show(self, series: SeedResults, colors: Mapping[str, str]) -> None:
        """Show the series. The table is filled only when a run has ended: with a thousand rows, that takes a moment."""
        state = (series.first_seed, series.seeds, series.ended, tuple(colors.values()))
        if state == self._shown:
            return
        self._shown = state
        chosen, self._rows = self.selected, seeds.rows(series)
        self.query_one("#seeds-verdict", Static).update(_verdict(series, colors))
        titles, median = seeds.columns(series), seeds.median_row(series)
        widths = [
            max(map(len, column))
            for column in zip(
                titles,
                *((row.title, *row.cells) for row in self._rows),
                ("median", *["98.76 %"] * (len(titles) - 1)),
                strict=True,
            )
        ]
        table = self.query_one(DataTable)
        table.clear(columns=True)
        for title, width in zip(titles, widths, strict=True):
            table.add_column(Text(title, style=_color(title, colors), justify="right"), width=width)
        for row in self._rows:
            table.add_row(*(Text(cell, justify="right") for cell in (row.title, *row.cells)))
        self.select(chosen)
        line = Text(style="bold")
        for cell, width in zip((median.title, *median.cells) if median else (), widths, strict=bool(median)):
            line.append(f" {cell:>{width}} ")
        table.display = bool(self._rows)
        self.query_one("#seeds-median", TextLine).set_text(line)
        self.query_one("#seeds-note", Static).update(seeds.note(series))
        self.call_after_refresh(self._fit_table)

    def _fit_table(self) -> None:
        """Make the table as high as its rows, or as the room between the other parts."""
        table = self.query_one(DataTable)
        others = sum(part.outer_size.height + part.styles.margin.height for part in self.children if part is not table)
        table.styles.height = max(min(len(self._rows) + 1, self.size.height - others), 2)

    def on_resize(self) -> None:
        self.call_after_refresh(self._fit_table)


def _color(title: str, colors: Mapping[str, str]) -> str:
    """Return the colour of the engine that a column's title begins with; none for other columns."""
    engine = next((engine for engine, name in TITLES.items() if title.startswith(name)), "")
    return colors[f"${engine}"] if engine else ""


def _verdict(series: SeedResults, colors: Mapping[str, str]) -> Text:
    text = Text(seeds.headline(series), style="bold")
    text.stylize(_color(text.plain, colors))
    for line in seeds.details(series):
        text.append(f"\n{line}", style="not bold default")
    return text
