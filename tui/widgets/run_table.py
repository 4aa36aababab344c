"""The table of finished runs: a row for each, and the columns that fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.widgets import DataTable

from engines.api import BACKENDS, FAILED, INTERRUPTED, RunSummary
from tui import formatting
from tui.widgets.run_charts import RunCharts

MARK_COLUMN = ""
"""Title of the column with a marked run's number."""


class RunTable(DataTable[Text]):
    """A table of runs whose cursor stays on its run when the table is filled again."""

    def __init__(self) -> None:
        super().__init__(id="table", cursor_type="row", zebra_stripes=True)
        self.runs: list[RunSummary] = []

    @property
    def selected(self) -> RunSummary | None:
        """The run at the cursor; None in an empty table."""
        return self.runs[self.cursor_row] if 0 <= self.cursor_row < len(self.runs) else None

    def fill(
        self,
        runs: Sequence[RunSummary],
        marked: Sequence[str],
        baseline: float | None,
        width: int,
        colors: Mapping[str, str],
    ) -> None:
        """Show these runs in `width` cells; `marked` are ids in the order of their numbers, `baseline` is an accuracy."""
        selected, self.runs = self.selected, list(runs)
        columns = _columns(width, max((len(_keras(run)) for run in runs), default=0))
        self.clear(columns=True)
        for title, cells in columns:
            self.add_column(title, width=cells or None, key=title)
        for run in runs:
            row = _cells(run, _number(run, marked), baseline, colors)
            self.add_row(*(row[title] for title, _ in columns), key=run.id)
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


def _columns(width: int, keras_cells: int) -> list[tuple[str, int]]:
    """Return (title, cells) of the columns that fit; the last one fills the rest. `keras_cells` is its column's longest text."""
    columns = [
        (MARK_COLUMN, 1),
        ("when", 11),
        ("state", 11),
        ("preset", 9),
        ("PyTorch", 9),
        ("Keras", max(keras_cells, 9)),
    ]
    if width >= 92:
        columns.append(("± base", 7))
    if width >= 72:
        columns.append(("time", 7))
    if width >= 110:
        columns += [("digits", 6), ("device", 8), ("seed", 4)]
    rest = width - sum(cells + 2 for _, cells in columns) - 4
    return [*columns, ("name", max(rest, 6))]


def _number(run: RunSummary, marked: Sequence[str]) -> int:
    return marked.index(run.id) + 1 if run.id in marked else 0


def _mark(number: int, colors: Mapping[str, str]) -> Text:
    """Render a marked run's number in the colour of its curves; empty for 0, an unmarked run."""
    return Text(str(number), style=f"bold {RunCharts.color(number, colors)}") if number else Text()


def _cells(run: RunSummary, number: int, baseline: float | None, colors: Mapping[str, str]) -> dict[str, Text]:
    """Return a row's cells by column title."""
    state_colors = {FAILED: colors["$error"], INTERRUPTED: colors["$warning"], "running": colors["$success"]}
    difference = "base" if run.baseline else "–"
    if baseline is not None and run.best is not None and not run.baseline:
        difference = f"{100 * (run.best - baseline):+.2f}"
    texts = {
        "when": start_text(run),
        "state": run.state,
        "preset": run.preset,
        "PyTorch": formatting.percent(run.accuracy.get("pytorch")),
        "Keras": _keras(run),
        "± base": difference,
        "time": formatting.clock(run.seconds),
        "digits": run.dataset,
        "device": run.device,
        "seed": "" if run.seed is None else str(run.seed),
        "name": " · ".join(filter(None, (run.name, run.note, run.changes and f"changed: {run.changes}"))),
    }
    cells = {
        title: Text(formatting.to_plain_text(text), no_wrap=True, overflow="ellipsis") for title, text in texts.items()
    }
    cells[MARK_COLUMN] = _mark(number, colors)
    cells["state"].stylize(state_colors.get(run.state, ""))
    for title in ("PyTorch", "Keras", "± base", "time", "seed"):
        cells[title].justify = "right"
    return cells
