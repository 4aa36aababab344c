"""The Runs screen: every kept run in a list, their curves beneath it, and what can be done with them."""

from __future__ import annotations

import shlex
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
    FilterError,
    RunHistory,
    RunSource,
    RunSummary,
    list_runs,
    move_to_trash,
    parse_filter,
    plural,
    read_run,
    size_bytes,
    summarize,
    write_annotations,
)
from tui import formatting
from tui.charts.viewport import Viewport
from tui.screens.base import ShownScreen
from tui.screens.dialogs import NameDialog, Question
from tui.widgets.run_charts import MAX_RUNS, RunCharts
from tui.widgets.run_table import RunTable, start_text
from tui.widgets.text_line import TextLine

SHOWN = 500
"""Rows of the table; a filter finds the others."""
FIRST = 100
"""So many runs are shown before the rest has been read."""
FILTER_SECONDS = 0.15
"""From the last letter to the list that it gives: to lay out hundreds of rows takes a tenth of a second."""
LOADED = 12
"""Runs whose curves are kept in memory."""
SORTS: dict[str, Callable[[RunSummary], Any]] = {
    "time": lambda run: (run.start_time, run.id),
    "accuracy": lambda run: run.best or -1.0,
    "seconds": lambda run: -(run.seconds if run.seconds is not None else 1e12),
    "name": lambda run: [-ord(letter) for letter in run.name.lower()] or [-0x110000],
}
"""Descending: the newest, best, quickest first; names from A on, those without one last."""


class RunsScreen(ShownScreen):
    """Reads the folder of runs, anew whenever it is shown."""

    NAME = "runs"
    BINDINGS = ShownScreen.bindings(NAME)
    CSS_PATH = "runs.tcss"

    def __init__(
        self,
        session: RunSource,
        runs_dir: Path,
        *,
        open_results: Callable[[Path], None],
        play: Callable[[Path], None],
        go_on: Callable[[Path], None],
        ascii_only: bool = False,
    ) -> None:
        super().__init__(session, ascii_only=ascii_only)
        self.runs: list[RunSummary] = []
        self.marked: list[str] = []
        """Ids, in the order of their colours."""
        self.sort = "time"
        self._runs_dir = runs_dir
        self._open_results, self._play, self._go_on = open_results, play, go_on
        self._words = ""
        self._problem = ""
        self._unreadable = ""
        """Why the folder of runs can't be read; empty when it can."""
        self._bytes: int | None = None
        self._read = False
        self._shown: list[RunSummary] = []
        self._found = 0
        self._curves: dict[str, Mapping[str, RunHistory]] = {}
        self._reading = ""
        """The run whose curves are being read."""
        self._curves_wanted: bool | None = None
        """Whether the user wants curves; None leaves it to the height of the screen."""
        self._typing: Timer | None = None
        self._theme = ""
        """The theme in whose colours the table is."""

    def body(self) -> ComposeResult:
        """Filter, table, curves, and a line that counts."""
        yield Input(placeholder="preset:best acc>99 state:interrupted, or any word", id="filter")
        yield RunTable()
        with Horizontal(id="curves"):
            yield RunCharts(ascii_only=self.ascii_only)
        yield TextLine(id="status")

    # Reading

    def begin(self) -> None:
        """The table has the keys."""
        self.query_one("#filter").display = False
        self._lay_out()
        self._table.focus()
        self._load()

    def on_screen_resume(self) -> None:
        """What was trained meanwhile is in the list, too."""
        if self._ready:
            self._load()

    @work(thread=True, exclusive=True, group="runs", exit_on_error=False)
    def _load(self) -> None:
        """In a thread: ten thousand runs are twenty thousand files."""
        found: list[RunSummary] = []
        why = ""
        try:
            for run in list_runs(self._runs_dir):
                found.append(summarize(run))
                if len(found) == FIRST and not self._read:
                    self.deliver(self._take, list(found))
        except OSError as error:
            why = f"{error.strerror or error}: {self._runs_dir}"
        self.deliver(self._take, found, why)
        self.deliver(self._take_size, size_bytes(self._runs_dir))

    def _take_size(self, size: int) -> None:
        self._bytes = size
        self._say_status()

    def _take(self, runs: list[RunSummary], why: str = "") -> None:
        self._unreadable = why
        self._forget_curves({run.id for run in (*self.runs, *runs) if run.state == "running"})
        self.runs, self._read = runs, True
        known = {run.id for run in runs}
        self.marked = [run for run in self.marked if run in known]
        self._fill()

    # Showing

    def on_resize(self) -> None:
        """Other columns have room."""
        super().on_resize()
        if self._ready:
            self.call_after_refresh(self._lay_out)

    def _lay_out(self) -> None:
        curves = self._curves_wanted if self._curves_wanted is not None else self.size.height >= 32
        self.query_one("#curves").display = curves
        self._table.display = self.size.height >= 20 or not curves
        self._fill()
        self.call_after_refresh(self._show_curves)  # whose legend breaks its lines where there is room

    def show(self, changed: set[str]) -> None:
        """Runs come from their folder, not from histories: only the colours may have changed."""
        if self._theme != self.app.theme:
            self._fill()

    def _fill(self) -> None:
        """The table anew, the cursor where it was."""
        if self._typing is not None:
            self._typing.stop()
        self._theme = self.app.theme
        try:
            chosen, self._problem = parse_filter(self._words), ""
        except FilterError as error:
            self._problem = str(error)
        else:
            found = sorted(filter(chosen, self.runs), key=SORTS[self.sort], reverse=True)
            self._found, self._shown = len(found), found[:SHOWN]
        baseline = next((run.best for run in self.runs if run.baseline), None)
        self._table.fill(self._shown, self.marked, baseline, self.size.width, self.palette)
        self._say_status()
        self._show_curves()

    def _say_status(self) -> None:
        if self._problem:
            text = Text(self._problem, style=self.palette["$error"])
        elif self._unreadable:
            text = Text(self._unreadable, style=self.palette["$error"])
        elif not self.runs and self._read:
            text = Text("No runs yet: 1 and s train, and every run is kept here.")
        else:
            count = f"{self._found:,} of " * bool(self._words) + plural(len(self.runs), "run")
            more = f", the first {SHOWN} shown" if self._found > SHOWN else ""
            size = f" · {formatting.size(self._bytes)} on disk" if self._bytes is not None else ""
            text = Text(f"{count}{more} · by {self.sort}{size}" if self._read else "reading …")
        self.query_one("#status", TextLine).set_text(text)

    def _show_curves(self) -> None:
        """Of the marked runs; while none is marked, of the one at the cursor."""
        if not self.query_one("#curves").display:
            return
        at = self._table.selected
        wanted = self.marked or ([at.id] if at else [])
        missing = next((run for run in wanted if run not in self._curves), "")
        if missing:
            if not self._reading:
                self._reading = missing
                self._read_curves(missing)
            return
        names = {run.id: run.name or f"{start_text(run)} {run.preset}" for run in self.runs}
        shown = [(names.get(run, run), self._curves[run]) for run in wanted]
        self.query_one(RunCharts).show_runs(shown, Viewport(), self.palette)

    @work(thread=True, group="curves", exit_on_error=False)
    def _read_curves(self, run: str) -> None:
        """One run at a time: when it is there, `_show_curves` asks for what is wanted by then."""
        histories: Mapping[str, RunHistory] = {}
        try:
            histories = read_run(self._runs_dir / run)[0]
        except OSError:
            pass
        finally:
            self.deliver(self._keep_curves, run, histories)

    def _keep_curves(self, run: str, histories: Mapping[str, RunHistory]) -> None:
        self._reading = ""
        self._curves[run] = histories
        for old in [one for one in self._curves if one not in self.marked][: max(len(self._curves) - LOADED, 0)]:
            del self._curves[old]
        self._show_curves()

    def _forget_curves(self, runs: set[str]) -> None:
        """They have grown since they were read."""
        self._curves = {run: curves for run, curves in self._curves.items() if run not in runs}
        if self._reading in runs:
            self.workers.cancel_group(self, "curves")
            self._reading = ""

    @property
    def _table(self) -> RunTable:
        return self.query_one(RunTable)

    @on(DataTable.RowHighlighted)
    def _moved(self) -> None:
        self._show_curves()
        self.refresh_bindings()

    @on(DataTable.RowSelected)
    def _selected(self) -> None:
        self.action_open()

    # Filter

    def action_find(self) -> None:
        """Type words; the list follows."""
        box = self.query_one("#filter", Input)
        box.display = True
        box.focus()

    @on(Input.Changed, "#filter")
    def _typed(self, event: Input.Changed) -> None:
        if event.value == self._words:  # `all` has emptied the box
            return
        self._words = event.value
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(FILTER_SECONDS, self._fill)

    @on(Input.Submitted, "#filter")
    def _chosen(self) -> None:
        self._table.focus()
        self._fill()

    def action_all(self) -> None:
        """No filter, no marks."""
        box = self.query_one("#filter", Input)
        box.value = self._words = ""
        box.display = False
        self.marked = []
        self._table.focus()
        self._fill()

    def action_sort(self) -> None:
        """By time, accuracy, seconds, name."""
        names = list(SORTS)
        self.sort = names[(names.index(self.sort) + 1) % len(names)]
        self._fill()

    # What can be done with a run

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What makes no sense for the run at the cursor is grey."""
        if action in ("open", "play", "mark", "name_run", "baseline", "delete", "export"):
            if not self._ready or self._table.selected is None:
                return None
            return None if action == "play" and self.session.running else True
        if action == "go_on_with":
            at = self._table.selected if self._ready else None
            free = not self.session.running and not self.session.recorded
            return True if free and at is not None and at.resumable else None
        return super().check_action(action, parameters)

    def action_open(self) -> None:
        """Its results."""
        if at := self._table.selected:
            self._open_results(self._runs_dir / at.id)

    def action_play(self) -> None:
        """As if it were live."""
        if at := self._table.selected:
            self._play(self._runs_dir / at.id)

    def action_go_on_with(self) -> None:
        """From its last checkpoint."""
        if at := self._table.selected:
            self._go_on(self._runs_dir / at.id)

    def action_mark(self) -> None:
        """Its curves beneath, up to MAX_RUNS together."""
        at = self._table.selected
        if at is None:
            return
        if at.id in self.marked:
            self.marked.remove(at.id)
        elif len(self.marked) < MAX_RUNS:
            self.marked.append(at.id)
        else:
            self.notify(f"{MAX_RUNS} runs are marked already; space takes a mark back.", severity="warning")
        self._table.mark(self.marked, self.palette)
        self._show_curves()

    def action_overlay(self) -> None:
        """Curves, or not."""
        self._curves_wanted = not self.query_one("#curves").display
        self._lay_out()

    def action_baseline(self) -> None:
        """What the others are measured against; one at most."""
        if at := self._table.selected:
            others = {run.id: {"baseline": False} for run in self.runs if run.baseline and run.id != at.id}
            self._write({**others, at.id: {"baseline": not at.baseline}})

    def action_name_run(self) -> None:
        """A name and a note."""
        at = self._table.selected
        if at is None:
            return

        def done(said: tuple[str, str] | None) -> None:
            if said is not None:
                self._write({at.id: {"name": said[0], "note": said[1]}})

        self.app.push_screen(NameDialog(at.id, at.name, at.note), done)

    def _write(self, said: Mapping[str, Mapping[str, Any]]) -> None:
        for run, words in said.items():
            try:
                write_annotations(self._runs_dir / run, words)
            except OSError as error:
                self.notify(f"{run}: {error.strerror or error}.", title="Not kept", severity="error")
        self._load()

    def action_delete(self) -> None:
        """Into the trash, after a question."""
        at = self._table.selected
        if at is None:
            return
        if at.state == "running":
            self.notify("That run is still being written; stop it first.", severity="warning")
            return

        def done(sure: bool | None) -> None:
            if not sure:
                return
            try:
                place = move_to_trash(self._runs_dir / at.id)
            except OSError as error:
                self.notify(f"{at.id}: {error.strerror or error}.", title="Not deleted", severity="error")
            else:
                empty = f"mnist-tui runs --empty-trash --yes --runs-dir {shlex.quote(str(self._runs_dir))}"
                self.notify(f"It lies in {place}; `{empty}` deletes it for good.")
            self._load()

        self.app.push_screen(Question(f"Delete {at.name or at.id}? It goes into the trash.", "Delete"), done)

    @work(thread=True, exclusive=True, group="export", exit_on_error=False)
    def action_export(self) -> None:
        """Every form that can be written here, into a folder of the run's own."""
        at = self._table.selected
        if at is None:
            return
        from tui.reports import export

        made, missing = export.write_all(self._runs_dir / at.id)
        told = [f"{', '.join(made)} are in {self._runs_dir / at.id / export.FOLDER}."] if made else []
        title, severity = ("Written", "information") if made else ("Nothing is written", "error")
        said = " ".join([*told, *missing])
        self.deliver(self.notify, said, title=title, severity=severity, timeout=10)
