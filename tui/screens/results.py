"""The Results screen: the card, the confusion matrices, the mistakes and the filters of the current run or of a kept one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.style import Style
from rich.text import Text
from textual import on, work
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.widgets import ContentSwitcher, Static

from engines.api import DataError, ExportError, RunHistory, RunSource, read_filters
from tui.digit_cache import DigitCache
from tui.reports import card as report_card
from tui.screens.mistake_position import MistakePosition
from tui.screens.prediction_base import PredictionScreen
from tui.screens.stored_run import StoredRun, older_folder
from tui.terminal.clipboard import copy
from tui.widgets.card_tables import NO_EVALUATION, confusions
from tui.widgets.card_view import CardView
from tui.widgets.kernel_tiles import KernelTiles
from tui.widgets.mistake_gallery import MistakeGallery, mistakes
from tui.widgets.pixel_image import PixelImage
from tui.widgets.prediction_bars import PredictionBars
from tui.widgets.text_line import TextLine

MATRIX_COLUMNS = 76
"""The width in columns of a confusion matrix."""


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
            "card": self._show_card,
            "confusion": self._show_confusion,
            "mistakes": self._show_mistakes,
            "filters": self._show_filters,
        }
        self.view = "card"
        self.position = MistakePosition()
        self._digits = digits
        self._runs_dir = runs_dir
        self._stored_run: StoredRun | None = None
        """The kept run that is shown; None for the session's runs."""
        self._folder_to_open: Path | None = None
        """The kept run to open when the screen is ready."""
        self._newest_seen = ""
        """The session's newest run when a kept one was opened; a newer one replaces it on the screen."""
        self._images: Any = None
        self._images_run = ""
        """The id of the run whose test digits are loaded or being loaded."""
        self._images_problem = ""
        """The reason why there are no test digits; empty when there are."""
        self._requested: tuple[str, int] | None = None
        """The run and the test digit of the last request for predictions."""
        self._filters_shown: dict[str, tuple[str, float]] = {}
        """The checkpoint whose filters are shown, and the time it was written, by engine."""
        self._drawn_state: tuple[object, ...] = ()

    def compose_body(self) -> ComposeResult:
        yield TextLine(id="views")
        with ContentSwitcher(initial="card", id="switcher"):
            yield CardView(list(self.session.histories))
            with VerticalScroll(id="confusion", can_focus=False):
                yield Static(id="matrices")
            with Container(id="mistakes"):
                yield MistakeGallery(list(self.session.histories), self.predictions)
            with Container(id="filters"):
                for engine in self.session.histories:
                    yield KernelTiles(engine)

    def setup(self) -> None:
        """Show the newest kept run, if this session has none."""
        for widget in (*self.query(PixelImage), *self.query(PredictionBars)):
            widget.ascii_only = self.ascii_only
        super().setup()
        self._newest_seen = self._newest
        if self._folder_to_open is not None:
            self._read_run(self._folder_to_open)
        elif not any(history.config for history in self.session.histories.values()) and not self.session.recorded:
            self._read_older_run(1)

    def open_run(self, folder: Path) -> None:
        """Show a kept run, now or when the screen is ready."""
        self._folder_to_open, self._newest_seen = folder, self._newest
        if self._ready:
            self._read_run(folder)

    @property
    def _newest(self) -> str:
        """The id of the session's newest run; ids start with the time."""
        return max((history.run_id for history in self.session.histories.values()), default="")

    @property
    def histories(self) -> Mapping[str, RunHistory]:
        """The histories of the run that is shown."""
        return self.session.histories if self._stored_run is None else self._stored_run.histories

    @property
    def report(self) -> report_card.Report | None:
        """The card of the run that is shown."""
        return report_card.report(
            self.histories, self.session.machine if self._stored_run is None else self._stored_run.machine
        )

    # Views

    def update_body(self, changed: set[str]) -> None:
        """Redraw the view if its state has changed, and show new predictions or filters."""
        if self._newest > self._newest_seen:
            self._newest_seen = self._newest
            self.workers.cancel_group(self, "stored run")
            self._set_run(None)
        state = self._state()
        if state != self._drawn_state:
            self._drawn_state = state
            self._show_heading()
            self._views[self.view]()
        if self.view == "filters":
            self._update_filters()
        elif self.view == "mistakes":
            if self.predictions.refresh():
                self.resume_polling()
            self.show_predictions()

    def _state(self) -> tuple[object, ...]:
        """Return everything that a view depends on, for comparison."""
        runs = tuple((h.run_id, h.phase, len(h.evaluations), h.epochs_done) for h in self.histories.values())
        digit = (self.position.list_name, self.position.number, self._images_run, self._images is None)
        return (self.view, digit, self.query_one(MistakeGallery).size, self.size, self.app.theme, runs)

    def _show_heading(self) -> None:
        text = Text(" ")
        for name in self._views:
            title = name.capitalize()
            click = Style(bold=name == self.view, meta={"@click": f"screen.show_view('{name}')"})
            text.append(f"[{title}]" if name == self.view else f" {title} ", style=click)
            text.append(" ")
        if self._stored_run is not None:
            text.append(f"  kept run {self._stored_run.folder.name}", style=self.palette["$accent"])
        self.query_one("#views", TextLine).set_text(text)

    def _show_card(self) -> None:
        self.query_one(CardView).show(self.report, self.histories, self.palette)

    def _show_confusion(self) -> None:
        wide = self.size.width >= 2 * MATRIX_COLUMNS - 40
        self.query_one("#matrices", Static).update(confusions(list(self.histories.values()), self.palette, wide))

    def _show_mistakes(self) -> None:
        lists = mistakes(self.histories)
        list_name = self.position.locate(lists)
        run = next((history for history in self.histories.values() if history.evaluations), None)
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
        assert run.config is not None
        try:
            images, _, sha256 = self._digits.load(run.config, run.data.dataset if run.data else "")
        except DataError as error:
            self.deliver(self._set_images, run.run_id, None, f"{error.message} {error.hint}")
            return
        problem = ""
        if run.data is not None and run.data.sha256 != sha256:
            images, problem = None, "n/a: the digits on this machine are not those that the run was tested on."
        self.deliver(self._set_images, run.run_id, images, problem)

    def _set_images(self, run_id: str, images: Any, problem: str) -> None:
        if run_id == self._images_run:
            self._images, self._images_problem, self._drawn_state = images, problem, ()
            self.update_body(set())

    # Filters

    def _show_filters(self) -> None:
        self._filters_shown = {}
        self._update_filters()

    def _update_filters(self) -> None:
        """Read the filters of new checkpoints; one is written after each epoch."""
        for panel in self.query(KernelTiles):
            path = self._checkpoint(panel.engine)
            try:
                version = (str(path), path.stat().st_mtime if path else 0.0)
            except (OSError, ValueError):  # the path in a recording may be no valid file name
                version = ("", 0.0)
            if self._filters_shown.get(panel.engine) != version:
                self._filters_shown[panel.engine] = version
                self._read_filters(panel, Path(version[0]) if version[1] else None)

    def _checkpoint(self, engine: str) -> Path | None:
        if self._stored_run is not None:
            return self._stored_run.folder / f"{engine}.npz"
        history = self.histories[engine]
        return Path(history.checkpoint) if history.checkpoint else None

    @work(thread=True, group="filters", exit_on_error=False)
    def _read_filters(self, panel: KernelTiles, path: Path | None) -> None:
        kernel, steps, problem = None, 0, "n/a: no checkpoint yet; one is written after each epoch"
        if path is not None:
            try:
                (kernel, steps), problem = read_filters(path), ""
            except (OSError, ValueError) as error:
                problem = f"n/a: {path.name} can't be read: {error}"
        color, rows = self.palette[f"${panel.engine}"], self.query_one("#filters").size.height - 2
        self.deliver(panel.show, kernel, steps, problem, color, rows)

    # Commands

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable what has nothing to act on."""
        if action in ("mistake", "mistakes_of"):
            return None if self.view != "mistakes" else True
        if action in ("copy", "export"):
            return True if any(history.config for history in self.histories.values()) else None
        return super().check_action(action, parameters)

    def action_next_view(self, step: int = 1) -> None:
        names = list(self._views)
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
        self.position.select_next_list(mistakes(self.histories))
        self.update_body(set())

    def action_show_list(self, name: str) -> None:
        """Show a list of mistakes: "both", or an engine's own."""
        self.position.select_list(name)
        self.update_body(set())

    def action_mistake(self, step: int) -> None:
        self.position.select(self.position.number + int(step))
        self.update_body(set())

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
        self.deliver(self._show_run, run)

    def _show_run(self, run: StoredRun | None) -> None:
        self._set_run(run)
        self.update_body(set())

    def _set_run(self, run: StoredRun | None) -> None:
        self._stored_run, self._drawn_state, self._requested = run, (), None
        self.position.select(0)

    def action_copy(self) -> None:
        """Copy the card as Markdown to the terminal's clipboard (OSC 52)."""
        report = self.report
        if report is not None:
            fallback = "w writes it to a file." if self._folder() else "This run is not kept."
            copy(self.app, report_card.markdown(report), "The card, as Markdown,", fallback)

    def action_export(self) -> None:
        """Write the card to the run's folder."""
        from tui.reports import export

        report, folder = self.report, self._folder()
        if report is None or folder is None:
            self.notify("This run is not kept, so there is no folder for its files.", severity="warning")
            return
        screenshot = self.app.export_screenshot(title="mnist-tui")
        try:
            names = export.write_card(folder, report, self.histories, screenshot)
        except ExportError as error:
            self.notify(str(error), title="Not written", severity="error")
        except OSError as error:
            self.notify(f"{folder}: {error.strerror or error}.", title="Not written", severity="error")
        else:
            self.notify(f"{', '.join(names)} are in {folder / export.FOLDER}", title="Written")

    def _folder(self) -> Path | None:
        if self._stored_run is not None:
            return self._stored_run.folder
        ran = [engine for engine, history in self.histories.items() if history.config is not None]
        return next((folder for engine in ran if (folder := self.session.folder(engine))), None)
