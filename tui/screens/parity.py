"""The parity dialog: proves that both engines train the same thing, with a row for each comparison."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from engines.api import KNOWN_DIFFERENCES, TITLES, EngineSpec, ParityError, ParityRow, RunRequest, plural, prove
from tui.charts.sparkline import progress_bar
from tui.widgets.key_bar import KeyBar

BAR_WIDTH = 30
INTRODUCTION = (
    "A race is fair only if both frameworks do the same work: each row below compares one part of it in PyTorch and in"
    " Keras, and ✓ means that they agree to within the limit on the right."
)


class ParityScreen(ModalScreen[None]):
    """Runs the short proof at once, and a full epoch on a key."""

    BINDINGS = [
        Binding("enter", "full_epoch", "Prove over a full epoch"),
        Binding("escape,q,p", "close", "Close"),
    ]
    CSS = """
    ParityScreen { align: center middle; background: $background 60%; }
    ParityScreen > Vertical {
        width: 100; max-width: 98%; height: auto; max-height: 96%;
        border: round $primary; border-title-style: bold; padding: 0 1; background: $surface;
    }
    ParityScreen #rows { height: auto; max-height: 100%; }
    ParityScreen #what, ParityScreen #progress { margin-bottom: 1; }
    """

    def __init__(
        self, specs: Sequence[EngineSpec], cache_dir: Path, request: RunRequest, *, recorded: Sequence[ParityRow] = ()
    ) -> None:
        """Show the `recorded` rows, if there are any, instead of proving."""
        super().__init__()
        self._recorded = recorded
        self._specs = specs
        self._cache_dir = cache_dir
        self._request = request
        self._cancelled = threading.Event()
        self._progress: dict[str, tuple[int, int]] = {}
        self._proving = False

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "The same experiment?"
            with VerticalScroll(id="rows"):
                yield Static(INTRODUCTION, id="what", markup=False)
                yield Static(id="progress", markup=False)
                yield Static(id="table")
                yield Static(id="note", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        """Start the short proof, unless one is recorded, or the dialog is closed already."""
        if self._recorded:
            self.query_one(Vertical).border_title = "The same experiment? A recorded proof"
            self.call_after_refresh(self._show, self._recorded, "")
        elif self.query("#progress"):
            self._start(full_epoch=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Show an unexpected error in place of the proof."""
        if event.state is WorkerState.ERROR:
            self._show((), f"{type(event.worker.error).__name__}: {event.worker.error}")

    def on_unmount(self) -> None:
        """Cancel the proof."""
        self._cancelled.set()

    def _start(self, *, full_epoch: bool) -> None:
        self._proving, self._progress = True, {}
        self.refresh_bindings()
        self._show_progress()
        self.run_worker(lambda: self._prove(full_epoch), name="parity", thread=True, exit_on_error=False)

    def _prove(self, full_epoch: bool) -> None:
        """Run the proof in a thread; each engine has a process of its own."""
        request, rows, problem = self._request, [], ""
        try:
            rows = prove(
                self._specs,
                cache_dir=self._cache_dir,
                seed=request.value("seed"),
                data_dir=request.value("data_dir"),
                dataset=request.value("dataset"),
                full_epoch=full_epoch,
                on_progress=self._on_progress,
                cancelled=self._cancelled,
            )
        except (ParityError, OSError) as error:
            problem = str(error)
        if not self._cancelled.is_set():
            self.app.call_from_thread(self._show, rows, problem)

    def _on_progress(self, engine: str, done: int, total: int) -> None:
        """Show progress; called in the engines' threads."""
        self._progress[engine] = (done, total)
        if not self._cancelled.is_set():
            self.app.call_from_thread(self._show_progress)

    def _show_progress(self) -> None:
        if not self.is_mounted or not self._proving:
            return
        text = Text()
        for spec in self._specs:
            done, total = self._progress.get(spec.name, (0, 0))
            filled, rest = progress_bar(done / total if total else 0.0, BAR_WIDTH, ascii_only=False)
            status = f"step {done:,} of {total:,}" if total else "importing its framework"
            text.append(f"{TITLES.get(spec.name, spec.name):8} {filled}")
            text.append(rest, style="dim")
            text.append(f" {status}\n")
        text.right_crop(1)
        self._update(text, "")

    def _show(self, rows: Sequence[ParityRow], problem: str) -> None:
        self._proving = False
        if not self.is_mounted:
            return
        self.refresh_bindings()
        if rows:
            self.query_one("#table", Static).update(_table(rows, self.app.theme_variables))
            self.query_one("#note", Static).update(Text(f"\n{KNOWN_DIFFERENCES}", style="dim"))
        if problem:
            self._update(Text(problem, style="bold"), "No proof")
            return
        checks = [row for row in rows if row.tolerance]
        passed = sum(row.passed for row in checks)
        same = "Same experiment" if passed == len(checks) else "NOT the same experiment"
        verdict = f"{same}: {passed} of {plural(len(checks), 'check')} passed"
        self._update(Text(f"{verdict}.", style="bold"), verdict)

    def _update(self, text: Text, subtitle: str) -> None:
        self.query_one("#progress", Static).update(text)
        self.query_one(Vertical).border_subtitle = subtitle

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable another proof while one is running."""
        return None if action == "full_epoch" and self._proving else True

    def action_full_epoch(self) -> None:
        self._start(full_epoch=True)

    def action_close(self) -> None:
        """Close the dialog, which cancels a running proof."""
        self.dismiss()


def _table(rows: Sequence[ParityRow], colors: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_column(justify="right")
    table.add_column(no_wrap=True, style="dim")
    part = ""
    for row in rows:
        if row.part != part:
            part = row.part
            table.add_row("", Text(part, style="bold"), "", "")
        mark = Text("✓", style=colors["success"]) if row.passed else Text("✗", style=f"bold {colors['error']}")
        table.add_row(mark if row.tolerance else "", row.what, row.value, row.tolerance)
    return table
