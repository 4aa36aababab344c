"""The table of finished runs: a row for each, and the columns that fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.binding import Binding
from textual.widgets import DataTable

from engines.api import BACKENDS, FAILED, INTERRUPTED, RunSummary
from tui import formatting
from tui.widgets.run_charts import RunCharts

MARK_COLUMN = ""
"""Title of the column with a marked run's number."""
TITLES = ("when", "name", "state", "preset", "PyTorch", "Keras", "± base", "time", "device", "seed", "digits", "note")
"""Titles of the other columns, in order."""
SHARED = ("state", "preset", "device", "seed", "digits")
"""Columns that are left out where all rows have the same value."""
DROPPED_FIRST = ("digits", "seed", "device", "± base", "time", "preset", "name", "state", "Keras")
"""Columns that give way where room is short, in this order, after the note."""
NOTHING = "–"
MISSING = {"", NOTHING, formatting.clock(None)}
"""Texts of a cell without a value; a column of these is left out, too."""
MAX_CELLS = 24
MIN_NOTE_CELLS = 8


class RunTable(DataTable[Text]):
    """A table of runs whose cursor stays on its run when the table is filled again."""

    BINDINGS = [Binding("enter", "screen.open()", "Open")]

    def __init__(self) -> None:
        super().__init__(id="table", cursor_type="row", zebra_stripes=True)
        self.runs: list[RunSummary] = []
        self.common: list[str] = []
        """The values of the columns that are left out, because all rows have the same."""

    @property
    def selected(self) -> RunSummary | None:
        """The run at the cursor; None in an empty table."""
        return self.runs[self.cursor_row] if 0 <= self.cursor_row < len(self.runs) else None

    def fill(
        self,
        runs: Sequence[RunSummary],
        marked: Sequence[str],
        baseline: float | None,
        sort_marks: Mapping[str, str],
        width: int,
        colors: Mapping[str, str],
    ) -> None:
        """Show these runs in `width` cells; `marked` are ids in the order of their numbers, `baseline` is an accuracy.

        A column whose rows are all equal is left out, and its value is in `common`. `sort_marks` are added to titles.
        """
        selected, self.runs = self.selected, list(runs)
        texts = [_texts(run, baseline) for run in runs]
        columns, self.common = _columns(width, texts)
        self.clear(columns=True)
        for title, cells in columns.items():
            self.add_column(" ".join(filter(None, (title, sort_marks.get(title)))), width=cells, key=title)
        for run, row_texts in zip(runs, texts, strict=True):
            row = _cells(run, row_texts, _number(run, marked), colors)
            self.add_row(*(row[title] for title in columns), key=run.id)
        ids = [run.id for run in runs]
        if selected is not None and selected.id in ids:
            self.move_cursor(row=ids.index(selected.id))

    def mark(self, marked: Sequence[str], colors: Mapping[str, str]) -> None:
        """Update only the column of marks: to fill the table takes a tenth of a second."""
        for run in self.runs:
            mark = _mark(_number(run, marked), colors)
            if self.get_cell(run.id, MARK_COLUMN) != mark:
                self.update_cell(run.id, MARK_COLUMN, mark)


def start_text(run: RunSummary) -> str:
    """Return month, day, hour and minute of a run's start: "08-14 09:30"."""
    return run.created[5:16].replace("T", " ")


def _keras(run: RunSummary) -> str:
    """Return the accuracy of Keras, and its backend unless that is TensorFlow."""
    accuracy = formatting.percent(run.accuracy.get("keras"))
    return (
        f"{accuracy} on {BACKENDS[run.backend]}"
        if run.backend in BACKENDS and run.backend != "tensorflow"
        else accuracy
    )


def _columns(width: int, rows: Sequence[Mapping[str, str]]) -> tuple[dict[str, int], list[str]]:
    """Return the width of each column that says something and fits, by title, and the values that are the same in all rows."""
    values = {title: [row[title] for row in rows] for title in TITLES}
    shared = [title for title in SHARED if len(rows) > 1 and len(set(values[title])) == 1]
    common = [f"seed {values[title][0]}" if title == "seed" else values[title][0] for title in shared]
    widths = {
        title: min(max(len(title) + 2, *map(len, column)), MAX_CELLS) if column else len(title) + 2
        for title, column in values.items()
        if title not in shared and (not rows or set(column) - MISSING)
    }
    note = widths.pop("note", 0)
    room = width - 4 - 2 * len(widths)  # the marks and the scroll bar
    for title in DROPPED_FIRST:
        if sum(widths.values()) > room:
            room += 2 * (title in widths)
            widths.pop(title, None)
    if note and (rest := room - sum(widths.values()) - 2) >= MIN_NOTE_CELLS:
        widths["note"] = rest
    return {MARK_COLUMN: 1, **widths}, list(filter(None, common))


def _number(run: RunSummary, marked: Sequence[str]) -> int:
    return marked.index(run.id) + 1 if run.id in marked else 0


def _mark(number: int, colors: Mapping[str, str]) -> Text:
    """Render a marked run's number in the colour of its curves; empty for 0, an unmarked run."""
    return Text(str(number), style=f"bold {RunCharts.color(number, colors)}") if number else Text()


def _texts(run: RunSummary, baseline: float | None) -> dict[str, str]:
    """Return a row's texts by column title."""
    difference = "base" if run.baseline else NOTHING
    if baseline is not None and run.best is not None and not run.baseline:
        difference = f"{100 * (run.best - baseline):+.2f}"
    texts = {
        "when": start_text(run),
        "name": run.name,
        "state": run.state,
        "preset": run.preset_title,
        "PyTorch": formatting.percent(run.accuracy.get("pytorch")),
        "Keras": _keras(run),
        "± base": difference,
        "time": f"{formatting.clock(run.seconds)} {run.start}".rstrip(),
        "device": run.device,
        "seed": "" if run.seed is None else str(run.seed),
        "digits": formatting.digits_name(run.dataset) if run.dataset else "",
        "note": " · ".join(filter(None, (run.note, run.changes and f"changed: {run.changes}"))),
    }
    return {title: formatting.to_plain_text(text) for title, text in texts.items()}


def _cells(run: RunSummary, texts: Mapping[str, str], number: int, colors: Mapping[str, str]) -> dict[str, Text]:
    """Return a row's cells by column title."""
    state_colors = {FAILED: colors["$error"], INTERRUPTED: colors["$warning"], "running": colors["$success"]}
    cells = {title: Text(text, no_wrap=True, overflow="ellipsis") for title, text in texts.items()}
    cells[MARK_COLUMN] = _mark(number, colors)
    cells["state"].stylize(state_colors.get(run.state, ""))
    for title in ("PyTorch", "Keras", "± base", "time", "seed"):
        cells[title].justify = "right"
    return cells
