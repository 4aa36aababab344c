"""The Runs screen: a list of the kept runs, their curves below it, and what can be done with a run."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.timer import Timer
from textual.widgets import DataTable, Input

from engines.api import (
    RunHistory,
    RunSource,
    RunSummary,
    list_runs,
    move_to_trash,
    plural,
    read_run,
    restore_from_trash,
    size_bytes,
    summarize,
    write_annotations,
)
from tui import formatting
from tui.charts.viewport import Viewport
from tui.screens.base import BaseScreen
from tui.screens.comparison import ComparisonDialog
from tui.screens.curve_cache import CurveCache
from tui.screens.dialogs import NameDialog
from tui.screens.run_query import MAX_ROWS, RunQuery
from tui.widgets.run_charts import MAX_RUNS, RunCharts
from tui.widgets.run_table import RunTable, start_text
from tui.widgets.text_line import TextLine

FIRST_RUNS = 100
"""The number of runs that are shown before the others have been read."""
FILTER_SECONDS = 0.15
"""Seconds from the last typed letter to the filtered list: hundreds of rows take a tenth of a second to lay out."""


class RunsScreen(BaseScreen):
    """Lists the runs of a folder, which it reads each time it is shown."""

    NAME = "runs"
    BINDINGS = BaseScreen.bindings(NAME)  # RUNS in tui/commands.py
    CSS_PATH = "runs.tcss"

    def __init__(
        self,
        session: RunSource,
        runs_dir: Path,
        *,
        open_results: Callable[[Path], None],
        play: Callable[[Path], None],
        continue_run: Callable[[Path], None],
        ascii_only: bool = False,
    ) -> None:
        super().__init__(session, ascii_only=ascii_only)
        self.runs: list[RunSummary] = []
        self.marked: list[str] = []
        """The ids of the marked runs, in the order of their colours."""
        self.run_query = RunQuery()
        self._runs_dir = runs_dir
        self._open_results, self._play, self._continue_run = open_results, play, continue_run
        self._folder_problem = ""
        """The error that the folder of runs can't be read; empty when it can."""
        self._disk_bytes: int | None = None
        self._loaded = False
        self._curves = CurveCache()
        self._curves_wanted: bool | None = None
        """True if the user wants curves; None lets the height of the screen decide."""
        self._filter_timer: Timer | None = None
        self._deleted: list[tuple[Path, Path]] = []
        """The runs that were deleted here, as (place in the trash, folder)."""
        self._table_theme = ""
        """The theme whose colours the table has."""

    def compose_body(self) -> ComposeResult:
        yield Input(placeholder="preset:best acc>99 state:interrupted, or any word", id="filter")
        yield RunTable()
        with Horizontal(id="curves"):
            yield RunCharts(ascii_only=self.ascii_only)
        yield TextLine(id="status")

    # Reading

    def setup(self) -> None:
        self.query_one("#filter").display = False
        self._update_layout()
        self._table.focus()
        self._load()

    def on_screen_resume(self) -> None:
        if self._ready:
            self._load()

    @work(thread=True, exclusive=True, group="runs", exit_on_error=False)
    def _load(self) -> None:
        """Read all runs in a thread: ten thousand of them are twenty thousand files."""
        runs: list[RunSummary] = []
        problem = ""
        try:
            for run in list_runs(self._runs_dir):
                runs.append(summarize(run))
                if len(runs) == FIRST_RUNS and not self._loaded:
                    self.deliver(self._set_runs, list(runs))
        except OSError as error:
            problem = f"{error.strerror or error}: {self._runs_dir}"
        self.deliver(self._set_runs, runs, problem)
        self.deliver(self._set_disk_bytes, size_bytes(self._runs_dir))

    def _set_disk_bytes(self, size: int) -> None:
        self._disk_bytes = size
        self._update_status()

    def _set_runs(self, runs: list[RunSummary], problem: str = "") -> None:
        self._folder_problem = problem
        if self._curves.discard({run.id for run in (*self.runs, *runs) if run.state == "running"}):
            self.workers.cancel_group(self, "curves")
        self.runs, self._loaded = runs, True
        ids = {run.id for run in runs}
        self.marked = [run for run in self.marked if run in ids]
        self._update_table()

    # Showing

    def on_resize(self) -> None:
        """Fit columns and curves to the new size."""
        super().on_resize()
        if self._ready:
            self.call_after_refresh(self._update_layout)

    def _update_layout(self) -> None:
        curves = self._curves_wanted if self._curves_wanted is not None else self.size.height >= 32
        self.query_one("#curves").display = curves
        self._table.display = self.size.height >= 20 or not curves
        self._update_table()
        self.call_after_refresh(self._update_curves)  # the legend wraps at the new width

    def update_body(self, changed: set[str]) -> None:
        """Recolour the table after a change of theme; histories don't matter here."""
        if self._table_theme != self.app.theme:
            self._update_table()

    def _update_table(self) -> None:
        """Fill the table; the cursor stays at its run."""
        if self._filter_timer is not None:
            self._filter_timer.stop()
        self._table_theme = self.app.theme
        self.run_query.apply(self.runs)
        baseline = next((run.best for run in self.runs if run.baseline), None)
        query = self.run_query
        self._table.fill(query.rows, self.marked, baseline, query.sort_marks, self.size.width, self.palette)
        self._update_status()
        self._update_curves()

    def _update_status(self) -> None:
        query = self.run_query
        style = ""
        if text := query.problem or self._folder_problem:
            style = self.palette["$error"]
        elif not self._loaded:
            text = "Reading the runs…"
        elif not self.runs:
            text = "No runs yet. Press 1, then s."
        else:
            count = f"{query.match_count:,} of " * bool(query.text) + plural(len(self.runs), "run")
            more = f", the first {MAX_ROWS} shown" if query.match_count > MAX_ROWS else ""
            size = f" · {formatting.size(self._disk_bytes)} on disk" if self._disk_bytes is not None else ""
            marked = f"{len(self.marked)} marked, enter compares them · " if len(self.marked) > 1 else ""
            common = f" · all {', '.join(self._table.common)}" if self._table.common else ""
            text = f"{marked}{count}{more} · by {query.sort}{common}{size}"
        lines = textwrap.wrap(text, max(self.size.width - 2, 20)) if style else [text]
        status = self.query_one("#status", TextLine)
        status.styles.height = len(lines)
        status.set_text(*(Text(line, style=style) for line in lines))

    def _update_curves(self) -> None:
        """Show the curves of the marked runs, or of the run at the cursor while none is marked."""
        if not self.query_one("#curves").display:
            return
        selected = self._table.selected
        wanted = self.marked or ([selected.id] if selected else [])
        if missing := self._curves.missing(wanted):
            if not self._curves.reading:
                self._curves.reading = missing
                self._read_curves(missing)
            return
        names = self._names
        shown = [(names.get(run, run), self._curves.runs[run]) for run in wanted]
        self.query_one(RunCharts).show_runs(shown, Viewport(), self.palette)

    @work(thread=True, group="curves", exit_on_error=False)
    def _read_curves(self, run: str) -> None:
        """Read one run; afterwards `_update_curves` reads the next that is wanted by then."""
        histories: Mapping[str, RunHistory] = {}
        try:
            histories = read_run(self._runs_dir / run)[0]
        except OSError:
            pass
        finally:
            self.deliver(self._add_curves, run, histories)

    def _add_curves(self, run: str, histories: Mapping[str, RunHistory]) -> None:
        self._curves.add(run, histories, self.marked)
        self._update_curves()

    @property
    def _names(self) -> dict[str, str]:
        """Names for people, by id."""
        return {run.id: run.name or f"{start_text(run)} {run.preset_title}" for run in self.runs}

    @property
    def _table(self) -> RunTable:
        return self.query_one(RunTable)

    @on(DataTable.RowHighlighted)
    def _on_highlight(self) -> None:
        self._update_curves()
        self.refresh_bindings()

    @on(DataTable.RowSelected)
    def _on_select(self) -> None:
        self.action_open()

    # Filter

    def action_find(self) -> None:
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()

    @on(Input.Changed, "#filter")
    def _on_filter_changed(self, event: Input.Changed) -> None:
        if event.value == self.run_query.text:  # `action_all` has emptied the box
            return
        self.run_query.text = event.value
        if self._filter_timer is not None:
            self._filter_timer.stop()
        self._filter_timer = self.set_timer(FILTER_SECONDS, self._update_table)

    @on(Input.Submitted, "#filter")
    def _on_filter_submitted(self) -> None:
        self._table.focus()
        self._update_table()

    def action_all(self) -> None:
        """Clear the filter, or without one the marks."""
        box = self.query_one("#filter", Input)
        if not box.display:
            self.marked = []
        box.value = self.run_query.text = ""
        box.display = False
        self._table.focus()
        self._update_table()

    def action_sort(self) -> None:
        self.run_query.sort_by_next()
        self._update_table()

    @on(DataTable.HeaderSelected)
    def _on_title_clicked(self, event: DataTable.HeaderSelected) -> None:
        self.run_query.sort_by_column(str(event.column_key.value))
        self._update_table()

    # Commands for the run at the cursor

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable what makes no sense for the run at the cursor."""
        if action == "undo":
            return True if self._deleted else None
        if action in ("open", "play", "mark", "name_run", "baseline", "delete", "export"):
            if not self._ready or self._table.selected is None:
                return None
            return None if action == "play" and self.session.running else True
        if action == "continue_run":
            run = self._table.selected if self._ready else None
            free = not self.session.running and not self.session.recorded
            return True if free and run is not None and run.resumable else None
        return super().check_action(action, parameters)

    def action_open(self) -> None:
        """Show the results of the run, the run itself while another process trains it, or the comparison of the marked ones."""
        if len(self.marked) > 1:
            names = self._names
            self.app.push_screen(ComparisonDialog([(names[run], self._runs_dir / run) for run in self.marked]))
        elif run := self._table.selected:
            live = run.state == "running" and not self.session.running
            (self._play if live else self._open_results)(self._runs_dir / run.id)

    def action_play(self) -> None:
        if run := self._table.selected:
            self._play(self._runs_dir / run.id)

    def action_continue_run(self) -> None:
        if run := self._table.selected:
            self._continue_run(self._runs_dir / run.id)

    def action_mark(self) -> None:
        """Mark the run or unmark it; up to MAX_RUNS are marked."""
        run = self._table.selected
        if run is None:
            return
        if run.id in self.marked:
            self.marked.remove(run.id)
        elif len(self.marked) < MAX_RUNS:
            self.marked.append(run.id)
        else:
            self.notify(f"{MAX_RUNS} runs are marked already. Press m on one to unmark it.", severity="warning")
        self._table.mark(self.marked, self.palette)
        self._update_curves()
        self._update_status()

    def action_overlay(self) -> None:
        """Show or hide the curves."""
        self._curves_wanted = not self.query_one("#curves").display
        self._update_layout()

    def action_baseline(self) -> None:
        """Make the run the only baseline, or no baseline."""
        if run := self._table.selected:
            others = {other.id: {"baseline": False} for other in self.runs if other.baseline and other.id != run.id}
            self._annotate({**others, run.id: {"baseline": not run.baseline}})

    def action_name_run(self) -> None:
        run = self._table.selected
        if run is None:
            return

        def on_close(texts: tuple[str, str] | None) -> None:
            if texts is not None:
                self._annotate({run.id: {"name": texts[0], "note": texts[1]}})

        self.app.push_screen(NameDialog(run.id, run.name, run.note), on_close)

    def _annotate(self, annotations: Mapping[str, Mapping[str, Any]]) -> None:
        """Write annotations by the id of their run, and read the list again."""
        for run, changes in annotations.items():
            try:
                write_annotations(self._runs_dir / run, changes)
            except OSError as error:
                self.notify(f"{run}: {error.strerror or error}.", title="Not saved", severity="error")
        self._load()

    def action_delete(self) -> None:
        """Move the run to the trash at once, because `action_undo` brings it back."""
        run = self._table.selected
        if run is None:
            return
        if run.state == "running":
            self.notify("This run is still being written. Stop it first.", severity="warning")
            return
        self._move(run.name or run.id, self._runs_dir / run.id)

    def action_undo(self) -> None:
        """Bring back the run that was deleted last."""
        if self._deleted:
            trashed, folder = self._deleted.pop()
            self._move(folder.name, folder, trashed)

    @work(thread=True, group="trash", exit_on_error=False)
    def _move(self, name: str, folder: Path, trashed: Path | None = None) -> None:
        """Move a run to the trash, or back from where it is there; in a thread, since the disk may be slow."""
        try:
            if trashed is not None:
                restore_from_trash(trashed, folder)
            else:
                trash = move_to_trash(folder)
                self.deliver(self._deleted.append, (trash, folder))
        except OSError as error:
            title = "Not brought back" if trashed is not None else "Not deleted"
            self.deliver(self.notify, f"{name}: {error.strerror or error}.", title=title, severity="error")
        else:
            empty = f"mnist-tui runs --empty-trash --yes --runs-dir {shlex.quote(str(self._runs_dir))}"
            in_trash = f"{name} is in the trash; u brings it back. `{empty}` deletes it for good."
            text = in_trash if trashed is None else f"{name} is back."
            self.deliver(self.notify, text)
        self.deliver(self._load)

    @work(thread=True, exclusive=True, group="export", exit_on_error=False)
    def action_export(self) -> None:
        """Write every available format to the run's folder."""
        run = self._table.selected
        if run is None:
            return
        from tui.reports import export

        written, problems = export.write_all(self._runs_dir / run.id)
        summary = [f"{', '.join(written)} are in {self._runs_dir / run.id / export.FOLDER}."] if written else []
        title, severity = ("Written", "information") if written else ("Nothing is written", "error")
        self.deliver(self.notify, " ".join([*summary, *problems]), title=title, severity=severity, timeout=10)
