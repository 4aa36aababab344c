"""The list of kept runs: a row for each, and as many columns as there is room for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.widgets import DataTable

from engines.api import BACKENDS, FAILED, INTERRUPTED, RunSummary
from tui import formatting
from tui.widgets.run_charts import RunCharts

MARK = ""
"""The title of the column that says which curves are a run's."""


class RunTable(DataTable[Text]):
    """Shows what `fill` was last given; the cursor stays at its run."""

    def __init__(self) -> None:
        super().__init__(id="table", cursor_type="row", zebra_stripes=True)
        self.runs: list[RunSummary] = []

    @property
    def selected(self) -> RunSummary | None:
        """The run at the cursor."""
        return self.runs[self.cursor_row] if 0 <= self.cursor_row < len(self.runs) else None

    def fill(
        self,
        runs: Sequence[RunSummary],
        marked: Sequence[str],
        baseline: float | None,
        width: int,
        colors: Mapping[str, str],
    ) -> None:
        """These runs, in so many cells; `marked` are ids in the order of their numbers, `baseline` is an accuracy."""
        at, self.runs = self.selected, list(runs)
        columns = _columns(width, max((len(_keras(run)) for run in runs), default=0))
        self.clear(columns=True)
        for title, cells in columns:
            self.add_column(title, width=cells or None, key=title)
        for run in runs:
            row = _cells(run, _number(run, marked), baseline, colors)
            self.add_row(*(row[title] for title, _ in columns), key=run.id)
        ids = [run.id for run in runs]
        if at is not None and at.id in ids:
            self.move_cursor(row=ids.index(at.id))

    def mark(self, marked: Sequence[str], colors: Mapping[str, str]) -> None:
        """The column of marks alone: to lay out the table anew takes a tenth of a second."""
        for run in self.runs:
            mark = _mark(_number(run, marked), colors)
            if self.get_cell(run.id, MARK) != mark:
                self.update_cell(run.id, MARK, mark)


def when(run: RunSummary) -> str:
    """Month, day, hour and minute."""
    return run.created[5:16].replace("T", " ")


def _keras(run: RunSummary) -> str:
    """Its accuracy, and what it computed with where that was not TensorFlow."""
    said = formatting.percent(run.accuracy.get("keras"))
    return f"{said} on {BACKENDS[run.backend]}" if run.backend in BACKENDS and run.backend != "tensorflow" else said


def _columns(width: int, keras: int) -> list[tuple[str, int]]:
    """(title, cells) of what has room; the last takes what is left. `keras` is the longest text of that column."""
    columns = [(MARK, 1), ("when", 11), ("state", 11), ("preset", 9), ("PyTorch", 9), ("Keras", max(keras, 9))]
    if width >= 92:
        columns.append(("± base", 7))
    if width >= 72:
        columns.append(("time", 7))
    if width >= 110:
        columns += [("digits", 6), ("device", 8), ("seed", 4)]
    left = width - sum(cells + 2 for _, cells in columns) - 4
    return [*columns, ("name", max(left, 6))]


def _number(run: RunSummary, marked: Sequence[str]) -> int:
    return marked.index(run.id) + 1 if run.id in marked else 0


def _mark(number: int, colors: Mapping[str, str]) -> Text:
    """The number of a marked run, in the colour of its curves; of one that is not marked, 0, nothing."""
    return Text(str(number), style=f"bold {RunCharts.color(number, colors)}") if number else Text()


def _cells(run: RunSummary, number: int, baseline: float | None, colors: Mapping[str, str]) -> dict[str, Text]:
    """A row's cells by their titles."""
    state = {FAILED: colors["$error"], INTERRUPTED: colors["$warning"], "running": colors["$success"]}
    against = "base" if run.baseline else "–"
    if baseline is not None and run.best is not None and not run.baseline:
        against = f"{100 * (run.best - baseline):+.2f}"
    texts = {
        "when": when(run),
        "state": run.state,
        "preset": run.preset,
        "PyTorch": formatting.percent(run.accuracy.get("pytorch")),
        "Keras": _keras(run),
        "± base": against,
        "time": formatting.clock(run.seconds),
        "digits": run.dataset,
        "device": run.device,
        "seed": "" if run.seed is None else str(run.seed),
        "name": " · ".join(filter(None, (run.name, run.note, run.changes and f"changed: {run.changes}"))),
    }
    cells = {
        title: Text(formatting.to_plain_text(text), no_wrap=True, overflow="ellipsis") for title, text in texts.items()
    }
    cells[MARK] = _mark(number, colors)
    cells["state"].stylize(state.get(run.state, ""))
    for title in ("PyTorch", "Keras", "± base", "time", "seed"):
        cells[title].justify = "right"
    return cells
