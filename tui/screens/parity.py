"""The proof, in the app: both engines sit the same exam, and every comparison is a row."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static
from textual.worker import Worker, WorkerState

from engines.api import KNOWN_DIFFERENCES, TITLES, EngineSpec, ParityError, ParityRow, plural, prove
from tui.charts.sparkline import progress_bar

BAR_WIDTH = 30


class ParityScreen(ModalScreen[None]):
    """Runs the quick proof at once; the whole epoch on a key."""

    BINDINGS = [
        Binding("escape,q,p", "close", "Close"),
        Binding("e", "whole_epoch", "Whole epoch"),
    ]
    CSS = """
    ParityScreen { align: center middle; background: $background 60%; }
    ParityScreen > Vertical {
        width: 100; max-width: 98%; height: auto; max-height: 96%;
        border: round $primary; border-title-style: bold; padding: 0 1; background: $surface;
    }
    ParityScreen #rows { height: auto; max-height: 100%; }
    ParityScreen #progress { margin-bottom: 1; }
    """

    def __init__(self, specs: Sequence[EngineSpec], cache_dir: Path, settings: Mapping[str, Any]) -> None:
        super().__init__()
        self._specs = specs
        self._cache_dir = cache_dir
        self._settings = settings
        self._cancelled = threading.Event()
        self._done: dict[str, tuple[int, int]] = {}
        self._running = False

    def compose(self) -> ComposeResult:
        """The rows, and how far the exam is."""
        with Vertical() as box:
            box.border_title = "The same experiment?"
            with VerticalScroll(id="rows"):
                yield Static(id="progress", markup=False)
                yield Static(id="table")
                yield Static(id="note", markup=False)

    def on_mount(self) -> None:
        """Ask the short questions, unless the screen was closed before it was there."""
        if self.query("#progress"):
            self._begin(whole_epoch=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """What nobody foresaw ends the proof, and is said in its place."""
        if event.state is WorkerState.ERROR:
            self._show((), f"{type(event.worker.error).__name__}: {event.worker.error}")

    def on_unmount(self) -> None:
        """Nobody waits for the answer any more."""
        self._cancelled.set()

    def _begin(self, *, whole_epoch: bool) -> None:
        self._running, self._done = True, {}
        self._show_progress()
        self.run_worker(lambda: self._prove(whole_epoch), name="parity", thread=True, exit_on_error=False)

    def _prove(self, whole_epoch: bool) -> None:
        """In a thread; the two engines answer in processes of their own."""
        settings, rows, problem = self._settings, [], ""
        try:
            rows = prove(
                self._specs,
                cache_dir=self._cache_dir,
                seed=int(settings.get("seed", 0)),
                data_dir=str(settings.get("data_dir", "")),
                dataset=str(settings.get("dataset", "auto")),
                full_epoch=whole_epoch,
                on_progress=self._hear,
                cancelled=self._cancelled,
            )
        except (ParityError, OSError) as error:
            problem = str(error)
        if not self._cancelled.is_set():
            self.app.call_from_thread(self._show, rows, problem)

    def _hear(self, engine: str, done: int, total: int) -> None:
        """From the engines' threads."""
        self._done[engine] = (done, total)
        if not self._cancelled.is_set():
            self.app.call_from_thread(self._show_progress)

    def _show_progress(self) -> None:
        if not self.is_mounted or not self._running:
            return
        text = Text()
        for spec in self._specs:
            done, total = self._done.get(spec.name, (0, 0))
            full, rest = progress_bar(done / total if total else 0.0, BAR_WIDTH, ascii_only=False)
            said = f"step {done:,} of {total:,}" if total else "importing its framework"
            text.append(f"{TITLES.get(spec.name, spec.name):8} {full}")
            text.append(rest, style="dim")
            text.append(f" {said}\n")
        text.right_crop(1)
        self._say(text, "esc cancels")

    def _show(self, rows: Sequence[ParityRow], problem: str) -> None:
        self._running = False
        if not self.is_mounted:
            return
        if rows:
            self.query_one("#table", Static).update(_table(rows, self.app.theme_variables))
            self.query_one("#note", Static).update(Text(f"\n{KNOWN_DIFFERENCES}", style="dim"))
        missed = sum(not row.passed for row in rows)
        verdict = f"{plural(missed, 'bar')} MISSED" if missed else "Every bar is met"
        self._say(
            Text(problem or f"{verdict}.", style="bold"),
            f"{'No proof' if problem else verdict} · esc closes · e whole epoch",
        )

    def _say(self, text: Text, below: str) -> None:
        self.query_one("#progress", Static).update(text)
        self.query_one(Vertical).border_subtitle = below

    def action_whole_epoch(self) -> None:
        """The long form, once the short one is done."""
        if not self._running:
            self._begin(whole_epoch=True)

    def action_close(self) -> None:
        """Back; a proof under way is cancelled."""
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
        good = Text("✓", style=colors["success"]) if row.passed else Text("✗", style=f"bold {colors['error']}")
        table.add_row(good if row.tolerance else "", row.what, row.value, row.tolerance)
    return table
