"""The Results screen: the series of seeds, the card, the confusion matrices, the mistakes and the filters of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.style import Style
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.widgets import ContentSwitcher, DataTable

from engines.api import DataError, RunHistory, RunSource, SeedResults
from tui.digit_cache import DigitCache
from tui.reports import card as report_card, seeds as seeds_report
from tui.screens.card_files import write_card
from tui.screens.mistake_position import MistakePosition
from tui.screens.prediction_base import PredictionScreen
from tui.screens.stored_run import StoredRun, older_folder
from tui.terminal.clipboard import copy
from tui.widgets.card_view import CardView
from tui.widgets.confusion_matrix import NO_EVALUATION, Cell, ConfusionView, count, most_frequent, neighbour
from tui.widgets.kernel_tiles import NO_CHECKPOINT, FiltersView
from tui.widgets.mistake_gallery import MistakeGallery, mistakes
from tui.widgets.pixel_image import PixelImage
from tui.widgets.prediction_bars import PredictionBars
from tui.widgets.seeds_view import SeedsView
from tui.widgets.text_line import TextLine


class ResultsScreen(PredictionScreen):
    """Shows the histories of the session, or of a run's folder."""

    NAME = "results"
    BINDINGS = PredictionScreen.bindings(NAME)  # RESULTS in tui/commands.py
    CSS_PATH = "results.tcss"

    def __init__(
        self,
        session: RunSource,
        digits: DigitCache,
        apply_events: Callable[[], None],
        runs_dir: Path,
        *,
        ascii_only: bool = False,
    ) -> None:
        super().__init__(session, apply_events, ascii_only=ascii_only)
        self._views: dict[str, Callable[[], None]] = {
            "seeds": self._show_seeds,
            "card": self._show_card,
            "confusion": self._show_confusion,
            "mistakes": self._show_mistakes,
            "filters": self._show_filters,
        }
        self.view = "card"
        self._followed = session.seed_results
        """The series that the session ran when this screen last looked; another one is a new run, which replaces a kept one."""
        self.cell: Cell | None = None
        """The chosen cell of a confusion matrix."""
        self.position = MistakePosition()
        self._digits = digits
        self._runs_dir = runs_dir
        self._stored_run: StoredRun | None = None
        """The kept run that is shown; None for the session's runs."""
        self._folder_to_open: Path | None = None
        """The kept run to open when the screen is ready."""
        self._images: Any = None
        self._images_run = ""
        """The id of the run whose test digits are loaded or being loaded."""
        self._images_problem = ""
        """The reason why there are no test digits; empty when there are."""
        self._requested: tuple[str, int] | None = None
        """The run and the test digit of the last request for predictions."""
        self._drawn_state: tuple[object, ...] = ()

    def compose_body(self) -> ComposeResult:
        yield TextLine(id="views")
        with ContentSwitcher(initial="card", id="switcher"):
            yield SeedsView()
            yield CardView(list(self.session.histories))
            yield ConfusionView()
            with Container(id="mistakes"):
                yield MistakeGallery(list(self.session.histories), self.predictions)
            yield FiltersView(list(self.session.histories))

    def setup(self) -> None:
        """Show the newest kept run, if this session has none."""
        for widget in (*self.query(PixelImage), *self.query(PredictionBars)):
            widget.ascii_only = self.ascii_only
        super().setup()
        self._open_first_view()
        if self._folder_to_open is not None:
            self._read_run(self._folder_to_open)
        elif not any(history.config for history in self.session.histories.values()) and not self.session.recorded:
            self._read_older_run(1)

    def open_run(self, folder: Path) -> None:
        """Show a kept run, now or when the screen is ready."""
        self._folder_to_open, self._followed = folder, self.session.seed_results
        if self._ready:
            self._read_run(folder)

    @property
    def histories(self) -> Mapping[str, RunHistory]:
        """The histories of the run that is shown."""
        return self._stored_run.histories if self._stored_run is not None else self.session.shown_histories

    @property
    def report(self) -> report_card.Report | None:
        """The card of the run that is shown."""
        machine = self.session.machine if self._stored_run is None else self._stored_run.machine
        return report_card.report(self.histories, machine)

    @property
    def seeds(self) -> SeedResults | None:
        """The series of seeds that the shown run belongs to; None for a single run."""
        if self._stored_run is not None:
            return self._stored_run.seeds
        return self.session.seed_results if self.session.seed_results.seeds > 1 else None

    @property
    def _run_id(self) -> str:
        """The id of the run that is shown."""
        return max((history.run_id for history in self.histories.values()), default="")

    @property
    def _shown_views(self) -> list[str]:
        return [name for name in self._views if name != "seeds" or self.seeds is not None]

    def _open_first_view(self) -> None:
        """Show the series of a run that belongs to one, and the card of another, unless another view than these is open."""
        if self.view in ("seeds", "card") and self.view != self._shown_views[0]:
            self.action_show_view(self._shown_views[0])

    # Views

    def update_body(self, changed: set[str]) -> None:
        """Redraw the view if its state has changed, and show new predictions or filters."""
        if self.session.seed_results is not self._followed:
            self._followed = self.session.seed_results
            self.workers.cancel_group(self, "stored run")
            self._set_run(None)
        state = self._state()
        if state != self._drawn_state:
            self._drawn_state = state
            self._show_heading()
            self._views[self.view]()
        if self.view == "filters":
            self._show_filters(again=False)
        elif self.view == "mistakes":
            if self.predictions.refresh():
                self.resume_polling()
            self.show_predictions()

    def _state(self) -> tuple[object, ...]:
        """Return everything that a view depends on, for comparison."""
        runs = tuple((h.run_id, h.phase, len(h.evaluations), h.tested, h.epochs_done) for h in self.histories.values())
        digit = (self.position.list_name, self.position.number, self._images_run, self._images is None)
        ended = self.seeds.ended if self.seeds is not None else None
        return (
            self.view,
            digit,
            self.cell,
            self.query_one(MistakeGallery).size,
            self.size,
            self.app.theme,
            runs,
            ended,
        )

    def _show_heading(self) -> None:
        text = Text(" ")
        for name in self._shown_views:
            title = name.capitalize()
            click = Style(bold=name == self.view, meta={"@click": f"screen.show_view('{name}')"})
            text.append(f"[{title}]" if name == self.view else f" {title} ", style=click)
            text.append(" ")
        if self._stored_run is not None:
            text.append(f"  kept run {self._stored_run.folder.name}", style=self.palette["$accent"])
        elif self.seeds is not None:
            text.append(f"  seed {next((h.config.seed for h in self.histories.values() if h.config), 0)}", style="dim")
        text.rstrip()
        self.query_one("#views", TextLine).set_text(text)

    def _show_seeds(self) -> None:
        if self.seeds is not None:
            self.query_one(SeedsView).show(self.seeds, self.palette)

    def _show_card(self) -> None:
        self.query_one(CardView).show(self.report, self.histories, self.palette)

    def _show_confusion(self) -> None:
        self.cell = self.cell or most_frequent(self.histories)
        self.query_one(ConfusionView).show(self.histories, self.cell, self.palette)
        self.refresh_bindings()

    def _show_mistakes(self) -> None:
        lists = mistakes(self.histories, self.cell)
        list_name = self.position.locate(lists)
        run = next((history for history in self.histories.values() if history.tested), None)
        if run is not None and run.run_id != self._images_run:
            self._images_run, self._images, self._images_problem = run.run_id, None, "Reading the test digits…"
            self._read_images(run)
        gallery, number = self.query_one(MistakeGallery), self.position.number
        problem = self._images_problem or ("" if lists else NO_EVALUATION)
        gallery.show(lists, list_name, number, self._images, problem)
        if self._images is not None and gallery.shown:
            self._request_predictions(gallery.shown[number].index)

    def _request_predictions(self, index: int) -> None:
        if self._requested != (self._images_run, index) and index < len(self._images):
            self._requested = self._images_run, index
            engines = self.session.histories if self._stored_run else ()
            checkpoints = {engine: str(self._checkpoint(engine)) for engine in engines}
            self.predictions.request([int(grey) for grey in self._images[index].ravel()], checkpoints)
            self.resume_polling()

    def show_predictions(self) -> None:
        if self.view == "mistakes":
            self.query_one(MistakeGallery).show_answers(self.palette, self.histories, self.session.histories)

    @work(thread=True, exclusive=True, group="digits", exit_on_error=False)
    def _read_images(self, run: RunHistory) -> None:
        images, problem = None, ""
        try:
            images, _ = self._digits.load_tested(run)
        except DataError as error:
            problem = f"{error.message} {error.hint}".strip()
        self.deliver(self._set_images, run.run_id, images, problem)

    def _set_images(self, run_id: str, images: Any, problem: str) -> None:
        if run_id == self._images_run:
            self._images, self._images_problem, self._drawn_state = images, problem, ()
            self.update_body(set())

    def _show_filters(self, *, again: bool = True) -> None:
        """Show the filters of new checkpoints; one is written after each epoch."""
        checkpoints = {engine: self._checkpoint(engine) for engine in self.session.histories}
        missing = self.session.no_weights if self.session.recorded and self._stored_run is None else NO_CHECKPOINT
        self.query_one(FiltersView).show(checkpoints, self.palette, missing, again=again)

    def _checkpoint(self, engine: str) -> Path | None:
        if self._stored_run is not None:
            return self._stored_run.folder / f"{engine}.npz"
        return self.session.checkpoint(engine)

    # Commands

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable what has nothing to act on."""
        if action == "mistakes_of":
            return None if self.view != "mistakes" else True
        if action == "open":
            return True if self._can_open else None
        if action in ("copy", "export"):
            return True if any(history.config for history in self.histories.values()) else None
        return super().check_action(action, parameters)

    def action_next_view(self, step: int = 1) -> None:
        names = self._shown_views
        self.action_show_view(names[(names.index(self.view) + int(step)) % len(names)])

    def action_show_view(self, name: str) -> None:
        self.view = name
        self.query_one(ContentSwitcher).current = self.view
        self.refresh_bindings()
        self.call_after_refresh(self.update_body, set())

    def action_scroll(self, pages: float) -> None:
        for part in self.query(VerticalScroll):
            part.scroll_relative(y=pages * part.size.height, animate=False)

    def action_mistakes_of(self) -> None:
        """Show the next list of mistakes: of both, of PyTorch alone, of Keras alone."""
        self.position.select_next_list(mistakes(self.histories, self.cell))
        self.update_body(set())

    def action_show_list(self, name: str) -> None:
        """Show a list of mistakes: "both", or an engine's own."""
        self.position.select_list(name)
        self.update_body(set())

    def action_move(self, columns: int, rows: int) -> None:
        """Choose another seed, cell or mistake by the arrow keys, or scroll."""
        if self.view == "seeds":
            self.query_one(SeedsView).move(int(rows))
        elif self.view == "confusion":
            self.cell = neighbour(self.histories, self.cell, int(columns), int(rows))
        elif self.view == "mistakes":
            self.position.select(self.position.number + int(columns or rows))
        else:
            self.action_scroll(rows / 4)
        self.update_body(set())

    @property
    def _can_open(self) -> bool:
        if self.view == "seeds":
            return self.seeds is not None and bool(self.seeds.runs)
        counts_mistakes = self.cell is not None and self.cell.truth != self.cell.read
        return self.view == "confusion" and counts_mistakes and bool(count(self.histories, self.cell))

    def action_open(self) -> None:
        """Open the card of the chosen seed, or the mistakes of the chosen cell."""
        if self.view == "seeds":
            self._open_seed(self.query_one(SeedsView).selected)
        elif self.cell is not None:
            self.position.select_list(self.cell.name)
            self.action_show_view("mistakes")

    def action_choose_cell(self, engine: str, truth: int, read: int) -> None:
        """Open the mistakes of a cell of a confusion matrix."""
        self.cell = Cell(engine, truth, read)
        self.update_body(set())
        if self._can_open:
            self.action_open()

    @on(DataTable.RowSelected)
    def _on_seed_clicked(self) -> None:
        self.action_open()

    def _open_seed(self, run_id: str) -> None:
        """Show the card of one seed's run."""
        if run_id != self._run_id:
            own = run_id in {history.run_id for history in self.session.histories.values()}
            if not own and not (self._runs_dir / run_id / "events.jsonl").is_file():
                self.notify(f"{run_id} is not kept.", severity="warning")
                return
            self._set_run(None) if own else self._read_run(self._runs_dir / run_id)
        self.action_show_view("card")

    @on(MistakeGallery.Selected)
    def _on_digit_selected(self, event: MistakeGallery.Selected) -> None:
        self.position.select(event.position)
        self.update_body(set())

    def action_run(self, step: int) -> None:
        """Show an older kept run, or a newer one for negative steps; the newest are the session's."""
        self._read_older_run(int(step))

    @work(thread=True, exclusive=True, group="stored run", exit_on_error=False)
    def _read_older_run(self, steps: int) -> None:
        own = {self.session.folder(engine) for engine in self.session.histories}
        folder = older_folder(self._runs_dir, self._stored_run.folder if self._stored_run else None, steps, own)
        self._read_and_show(folder)

    @work(thread=True, exclusive=True, group="stored run", exit_on_error=False)
    def _read_run(self, folder: Path) -> None:
        self._read_and_show(folder)

    def _read_and_show(self, folder: Path | None) -> None:
        try:
            run = StoredRun.read(folder) if folder is not None else None
        except OSError as error:
            self.deliver(self.notify, f"{folder}: {error.strerror or error}", severity="error")
            return
        self.deliver(self._set_run, run)

    def _set_run(self, run: StoredRun | None) -> None:
        """Show another run: the series first, unless the last run was one of its seeds."""
        before, self._stored_run = self.seeds, run
        self._drawn_state, self._requested, self.cell = (), None, None
        self.position.select(0)
        if before is None or self.seeds is None or not before.shares_runs(self.seeds):
            self._open_first_view()
        if self.seeds is not None:
            self._show_seeds()
            self.query_one(SeedsView).select(self._run_id)
        self.update_body(set())

    def action_copy(self) -> None:
        """Copy the card, or the series of seeds, as Markdown to the terminal's clipboard (OSC 52)."""
        report = self.report
        if self.view == "seeds" and self.seeds is not None:
            copy(self.app, seeds_report.markdown(self.seeds), "The table of seeds, as Markdown,", "")
            return
        if report is not None:
            fallback = "w writes it to a file." if self._folder() else "This run is not kept."
            copy(self.app, report_card.markdown(report), "The card, as Markdown,", fallback)

    def action_export(self) -> None:
        """Write the card to the run's folder."""
        report, folder = self.report, self._folder()
        if report is None or folder is None:
            self.notify("This run is not kept, so there is no folder for its files.", severity="warning")
        else:
            write_card(self.app, folder, report, self.histories)

    def _folder(self) -> Path | None:
        if self._stored_run is not None:
            return self._stored_run.folder
        ran = [engine for engine, history in self.histories.items() if history.config is not None]
        return next((folder for engine in ran if (folder := self.session.folder(engine))), None)
