"""The Results screen: the card, the confusions, the mistakes and the filters, of the present run or of a kept one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.style import Style
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, VerticalScroll
from textual.widgets import ContentSwitcher, Digits, Static

from engines.api import TITLES, DataError, ExportError, MachineHistory, RunHistory, RunSource, read_filters, read_run
from tui import formatting
from tui.digit_cache import DigitCache
from tui.reports import card as report_card
from tui.screens.prediction_base import PredictionScreen
from tui.terminal.clipboard import copy
from tui.widgets.kernel_tiles import KernelTiles
from tui.widgets.mistake_gallery import MistakeGallery, mistakes
from tui.widgets.pixel_image import PixelImage
from tui.widgets.prediction_bars import PredictionBars
from tui.widgets.results_card import card, confusions, verdict_line
from tui.widgets.text_line import TextLine

VIEWS = ("card", "confusion", "mistakes", "filters")
NOTHING_YET = "No digit is tested yet: the first evaluation comes after an epoch."
BESIDE = 76
"""Columns that two confusions need beside each other."""


class ResultsScreen(PredictionScreen):
    """Reads histories, of the session or of a run's folder."""

    NAME = "results"
    BINDINGS = PredictionScreen.bindings(NAME)
    CSS_PATH = "results.tcss"

    def __init__(
        self,
        session: RunSource,
        digits: DigitCache,
        fold: Callable[[], None],
        runs_dir: Path,
        *,
        ascii_only: bool = False,
    ) -> None:
        super().__init__(session, fold, ascii_only=ascii_only)
        self.view = VIEWS[0]
        self.whose = "both"
        self.at = 0
        self._index: int | None = None
        """The test digit that is shown: it stays when an evaluation changes the list. None after somebody has moved on."""
        self._digits = digits
        self._runs_dir = runs_dir
        self._kept: tuple[Path, Mapping[str, RunHistory], MachineHistory] | None = None
        """The kept run that is shown; None while it is the session's."""
        self._wanted: Path | None = None
        """The kept run that is to be opened when the screen is ready."""
        self._present = ""
        """The session's newest run when a kept one was chosen: a newer one takes its place."""
        self._images: Any = None
        self._images_of = ""
        """The run whose test digits were asked for, or are there."""
        self._no_images = ""
        self._asked_for: tuple[str, int] | None = None
        self._filters_of: dict[str, tuple[str, float]] = {}
        """The checkpoint, and when it was written, whose filters are shown."""
        self._drawn: tuple[object, ...] = ()

    def body(self) -> ComposeResult:
        """The names of the views, and the one that is chosen."""
        yield TextLine(id="views")
        with ContentSwitcher(initial="card", id="switcher"):
            with VerticalScroll(id="card", can_focus=False):
                with Horizontal(id="big"):
                    for engine in self.session.histories:
                        yield Static(TITLES.get(engine, engine), classes=f"name -{engine}")
                        yield Digits("", id=f"big-{engine}")
                        yield Static("%", classes="percent")
                yield Static(id="verdict")
                with Horizontal(id="figures"):
                    yield Static(id="rows")
                    yield Static(id="beside")
            with VerticalScroll(id="confusion", can_focus=False):
                yield Static(id="matrices")
            with Container(id="mistakes"):
                yield MistakeGallery(list(self.session.histories), self.questions)
            with Container(id="filters"):
                for engine in self.session.histories:
                    yield KernelTiles(engine)

    def begin(self) -> None:
        """The newest kept run, when this session has not run anything."""
        for one in (*self.query(PixelImage), *self.query(PredictionBars)):
            one.ascii_only = self.ascii_only
        super().begin()
        self._present = self._newest
        if self._wanted is not None:
            self._open_kept(0, self._wanted)
        elif not any(history.config for history in self.session.histories.values()) and not self.session.recorded:
            self._open_kept(1)

    def open_run(self, folder: Path) -> None:
        """That kept run, now or when the screen is ready."""
        self._wanted, self._present = folder, self._newest
        if self._ready:
            self._open_kept(0, folder)

    @property
    def _newest(self) -> str:
        """The id of the session's newest run; ids begin with the time."""
        return max((history.run_id for history in self.session.histories.values()), default="")

    @property
    def histories(self) -> Mapping[str, RunHistory]:
        """Of the run that is shown."""
        return self.session.histories if self._kept is None else self._kept[1]

    @property
    def report(self) -> report_card.Report | None:
        """The card of the run that is shown."""
        return report_card.report(self.histories, self.session.machine if self._kept is None else self._kept[2])

    # Show

    def show(self, changed: set[str]) -> None:
        """The chosen view, when what it shows has changed; and always the answers of the models."""
        if self._newest > self._present:
            self._present = self._newest
            self.workers.cancel_group(self, "kept")
            self._choose(None)
        revisions = tuple((h.run_id, h.phase, len(h.evaluations), h.epochs_done) for h in self.histories.values())
        now = (
            self.view,
            self.whose,
            self.at,
            self._images_of,
            self._images is None,
            self.query_one(MistakeGallery).size,
            self.size,
            self.app.theme,
            revisions,
        )
        if now != self._drawn:
            self._drawn = now
            self._show_heading()
            getattr(self, f"_show_{self.view}")()
        if self.view == "filters":
            self._find_filters()
        elif self.view == "mistakes":
            if self.questions.refresh():
                self.resume_polling()
            self.show_answers()

    def _show_heading(self) -> None:
        text = Text(" ")
        for name in VIEWS:
            title = name.capitalize()
            click = Style(bold=name == self.view, meta={"@click": f"screen.show_view('{name}')"})
            text.append(f"[{title}]" if name == self.view else f" {title} ", style=click)
            text.append(" ")
        if self._kept is not None:
            text.append(f"  kept run {self._kept[0].name}", style=self.palette["$accent"])
        self.query_one("#views", TextLine).set_text(text)

    def _show_card(self) -> None:
        said, palette = self.report, self.palette
        if said is None:
            self.query_one("#verdict", Static).update("No results yet: s trains.")
            return
        self.query_one("#verdict", Static).update(verdict_line(said, palette))
        self.query_one("#rows", Static).update(card(said, palette))
        for digits in self.query(Digits):
            history = self.histories.get(str(digits.id).removeprefix("big-"))
            accuracy = None if history is None else history.test_accuracy
            digits.update(formatting.percent(accuracy).replace("–", "-").removesuffix(" %"))
        beside = self.query_one("#beside", Static)
        beside.display = self.size.width >= 160
        if beside.display:
            beside.update(confusions(list(self.histories.values()), palette, beside=False))

    def _show_confusion(self) -> None:
        wide = self.size.width >= 2 * BESIDE - 40
        self.query_one("#matrices", Static).update(confusions(list(self.histories.values()), self.palette, wide))

    def _show_mistakes(self) -> None:
        lists = mistakes(self.histories)
        whose = self.whose if self.whose in lists else next(iter(lists), "both")  # till the other one is evaluated, too
        its = [one.index for one in lists.get(whose, [])]
        if self._index is not None:
            self.at = bisect_left(its, self._index)
        self.at = min(self.at, max(len(its) - 1, 0))
        self._index = its[self.at] if its else None
        run = next((history for history in self.histories.values() if history.evaluations), None)
        if run is not None and run.run_id != self._images_of:
            self._images_of, self._images, self._no_images = run.run_id, None, "Reading the test digits…"
            self._read_images(run)
        gallery = self.query_one(MistakeGallery)
        gallery.show(lists, whose, self.at, self._images, self._no_images or ("" if lists else NOTHING_YET))
        if self._images is not None and gallery.shown:
            self._ask(gallery.shown[self.at].index)

    def _ask(self, index: int) -> None:
        if self._asked_for != (self._images_of, index) and index < len(self._images):
            self._asked_for = self._images_of, index
            kept = {engine: str(self._checkpoint(engine)) for engine in self.session.histories} if self._kept else {}
            self.questions.request([int(grey) for grey in self._images[index].ravel()], kept)
            self.resume_polling()

    def show_answers(self) -> None:
        """Below the mistake that is shown."""
        if self.view == "mistakes":
            self.query_one(MistakeGallery).show_answers(self.palette, self.histories, self.session.histories)

    @work(thread=True, exclusive=True, group="digits", exit_on_error=False)
    def _read_images(self, run: RunHistory) -> None:
        assert run.config is not None
        try:
            images, _, sha256 = self._digits.load(run.config, run.data.dataset if run.data else "")
        except DataError as error:
            self.deliver(self._take_images, run.run_id, None, f"{error.message} {error.hint}")
            return
        problem = ""
        if run.data is not None and run.data.sha256 != sha256:
            images, problem = None, "n/a: the digits that are found now are not those that the run was tested on."
        self.deliver(self._take_images, run.run_id, images, problem)

    def _take_images(self, run_id: str, images: Any, problem: str) -> None:
        if run_id == self._images_of:
            self._images, self._no_images, self._drawn = images, problem, ()
            self.show(set())

    # Filters

    def _show_filters(self) -> None:
        self._filters_of = {}
        self._find_filters()

    def _find_filters(self) -> None:
        """Read what was written since; a checkpoint comes with every epoch."""
        for panel in self.query(KernelTiles):
            path = self._checkpoint(panel.engine)
            try:
                known = (str(path), path.stat().st_mtime if path else 0.0)
            except (OSError, ValueError):  # a recording may name what no file can be called
                known = ("", 0.0)
            if self._filters_of.get(panel.engine) != known:
                self._filters_of[panel.engine] = known
                self._read_filters(panel, Path(known[0]) if known[1] else None)

    def _checkpoint(self, engine: str) -> Path | None:
        if self._kept is not None:
            return self._kept[0] / f"{engine}.npz"
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
        """What has nothing to act on is grey."""
        if action in ("mistake", "mistakes_of"):
            return None if self.view != "mistakes" else True
        if action in ("copy", "export"):
            return True if any(history.config for history in self.histories.values()) else None
        return super().check_action(action, parameters)

    def action_next_view(self, step: int = 1) -> None:
        """Card, confusion, mistakes, filters."""
        self.action_show_view(VIEWS[(VIEWS.index(self.view) + int(step)) % len(VIEWS)])

    def action_show_view(self, name: str) -> None:
        """One of VIEWS."""
        self.view = name
        self.query_one(ContentSwitcher).current = self.view
        self.refresh_bindings()
        self.call_after_refresh(self.show, set())

    def action_scroll(self, pages: float) -> None:
        """Through what is longer than the screen."""
        for part in self.query(VerticalScroll):
            part.scroll_relative(y=pages * part.size.height, animate=False)

    def action_mistakes_of(self) -> None:
        """Both, PyTorch alone, Keras alone."""
        lists = list(mistakes(self.histories)) or ["both"]
        at = lists.index(self.whose) if self.whose in lists else -1
        self.action_show_list(lists[(at + 1) % len(lists)])

    def action_show_list(self, whose: str) -> None:
        """The mistakes of "both", or of one engine alone."""
        self.whose, self.at, self._index = whose, 0, None
        self.show(set())

    def action_mistake(self, step: int) -> None:
        """The next digit, or the one before."""
        self.at, self._index = max(self.at + int(step), 0), None
        self.show(set())

    def on_mistake_gallery_selected(self, event: MistakeGallery.Selected) -> None:
        """By a click."""
        self.at, self._index = event.position, None
        self.show(set())

    def action_run(self, step: int) -> None:
        """An older run, or a newer one, of those that are kept; beyond the newest is the session's."""
        self._open_kept(int(step))

    @work(thread=True, exclusive=True, group="kept", exit_on_error=False)
    def _open_kept(self, step: int, folder: Path | None = None) -> None:
        """That one, or so many before the one that is shown; in a thread: a long run has thousands of events."""
        folders = [path.parent for path in sorted(self._runs_dir.glob("*/events.jsonl"), reverse=True)]
        present = {self.session.folder(engine) for engine in self.session.histories}
        known: list[Path | None] = [None, *(folder for folder in folders if folder not in present)]
        at = known.index(self._kept[0]) if self._kept and self._kept[0] in known else 0
        folder = folder or known[min(max(at + step, 0), len(known) - 1)]
        kept = None
        if folder is not None:
            try:
                kept = (folder, *read_run(folder))
            except OSError as error:
                self.deliver(self.notify, f"{folder}: {error.strerror or error}", severity="error")
                return
        self.deliver(self._take_kept, kept)

    def _take_kept(self, kept: tuple[Path, dict[str, RunHistory], MachineHistory] | None) -> None:
        self._choose(kept)
        self.show(set())

    def _choose(self, kept: tuple[Path, dict[str, RunHistory], MachineHistory] | None) -> None:
        self._kept, self._drawn, self._asked_for, self.at, self._index = kept, (), None, 0, None

    def action_copy(self) -> None:
        """To the terminal's clipboard (OSC 52)."""
        said = self.report
        if said is not None:
            otherwise = "f writes it to a file." if self._folder() else "This run is not kept."
            copy(self.app, report_card.markdown(said), "The card, as Markdown,", otherwise)

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
        if self._kept is not None:
            return self._kept[0]
        ran = [engine for engine, history in self.histories.items() if history.config is not None]
        return next((folder for engine in ran if (folder := self.session.folder(engine))), None)
