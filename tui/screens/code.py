"""The Code screen: what runs, both engines side by side, lit where it runs now; and every hyperparameter of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.geometry import Region
from textual.message import Message
from textual.widgets import ContentSwitcher, Static

from engines.api import (
    BUILDING,
    ENGINES,
    EVALUATING,
    FIRST_STEP,
    IMPORTING,
    LOADING,
    RULE,
    TITLES,
    TRAINING,
    EngineSpec,
    HyperparameterRow,
    PresetsError,
    RunHistory,
    RunSource,
    TrainConfig,
    display_name,
    for_backend,
    plural,
    reason,
    tabulate,
)
from tui import formatting
from tui.reports.source_columns import read_pairs, total_lines
from tui.screens.base import ShownScreen
from tui.widgets.source_view import SourceView
from tui.widgets.text_line import TextLine

RUNS_IN = {
    IMPORTING: "Setup", LOADING: "Data", BUILDING: "Model", FIRST_STEP: "Train", TRAINING: "Train", EVALUATING: "Evaluate",
}  # fmt: skip
"""Which section an engine is in while it is in that phase."""
BOTH = "both"
BESIDE = 100
"""Columns from which on both engines' code is shown at first; with less, most lines would have to be broken."""
ANSWERED_SECONDS = 0.7
"""How long Predict stays lit after an answer, which itself takes no time that one could see."""


class Sections(VerticalScroll):
    """The code; says `Moved` when the mouse moves it."""

    class Moved(Message):
        """By the wheel or the scroll bar."""

    def _said(self) -> None:
        self.post_message(self.Moved())

    on_mouse_scroll_up = on_mouse_scroll_down = on_scroll_up = on_scroll_down = on_scroll_to = _said


class CodeScreen(ShownScreen):
    """Reads the engines' files as text; imports no framework."""

    NAME = "code"
    BINDINGS = ShownScreen.bindings(NAME)
    CSS_PATH = "code.tcss"

    def __init__(
        self,
        session: RunSource,
        specs: Sequence[EngineSpec],
        cache_dir: Path,
        config: Callable[[], TrainConfig],
        *,
        ascii_only: bool = False,
    ) -> None:
        super().__init__(session, ascii_only=ascii_only)
        self.follows = True
        self._view: str | None = None
        """The engine whose code is shown, or BOTH; None while nobody chose, so that the width decides."""
        self._specs = specs
        self._cache_dir = cache_dir
        self._config = config
        self._backend = self._present_backend()
        self._pairs = read_pairs(ENGINES, self._backend)
        self._asking_since: float | None = None
        """When both libraries were asked for their hyperparameters; None while nobody is."""
        self._tables: dict[TrainConfig, list[HyperparameterRow]] = {}
        self._problem = ""
        """Why the libraries could not be asked; empty when they could, or were not yet."""
        self._shown_table: tuple[object, ...] = ()

    def body(self) -> ComposeResult:
        """The sums; the sections; the table that takes their place."""
        yield TextLine(id="sums")
        with ContentSwitcher(initial="sections", id="switcher"):
            with Sections(id="sections", can_focus=False):
                yield from self._sections()
            with VerticalScroll(id="hyperparameters", can_focus=False):
                yield Static(id="table")

    def _sections(self) -> list[SourceView]:
        mark, titles = ">" if self.ascii_only else "►", [display_name(engine, self._backend) for engine in ENGINES]
        return [SourceView(pair, ENGINES, mark, titles) for pair in self._pairs]

    def _present_backend(self) -> str:
        """What Keras computes with, or last did; before its first run, by the settings."""
        ran = self.session.histories["keras"].config if "keras" in self.session.histories else None
        return (ran or self._config()).keras_backend

    def _parts(self) -> list[SourceView]:
        """The sections on the screen, once they have their columns."""
        return [part for part in self.query(SourceView) if len(part.query(".code")) == len(ENGINES)]

    def _read_again(self, backend: str) -> None:
        """Other code runs."""
        self._backend, self._pairs = backend, read_pairs(ENGINES, backend)
        sections = self.query_one(Sections)
        sections.remove_children()
        sections.mount_all(self._sections())

    # Show

    @property
    def view(self) -> str:
        """The engine whose code is shown, or BOTH."""
        return self._view or (BOTH if self.size.width >= BESIDE else ENGINES[0])

    @property
    def _shown(self) -> tuple[str, ...]:
        return tuple(ENGINES) if self.view == BOTH else (self.view,)

    def show(self, changed: set[str]) -> None:
        """Where each engine is now, and the table."""
        if (backend := self._present_backend()) != self._backend:
            self._read_again(backend)
        running = self._lit()
        self.query_one("#sums", TextLine).set_text(self._sums(running))
        place, fitted = self._place(), False
        for part in self._parts():
            fitted |= part.fit(self.size.width - 1, self._shown)  # beside the scroll bar
            part.highlight_running({engine for engine, titles in running.items() if part.pair.title in titles})
        if fitted:
            self.call_after_refresh(self._settle, place)  # once they are where they belong
        else:
            self._follow()
        self._show_table()

    def _sums(self, running: Mapping[str, set[str]]) -> Text:
        """Whose code is shown, how long it is, and what of it runs now, in sight or not."""
        text, mark = Text(), ">" if self.ascii_only else "►"
        for i, engine in enumerate(ENGINES):
            said = f"{display_name(engine, self._backend)} {plural(total_lines(self._pairs, i), 'line')}"
            now = " + ".join(one for one in (pair.title for pair in self._pairs) if one in running.get(engine, ()))
            self._tab(text, engine, f"{said} {mark} {now}" if now else said, self.palette[f"${engine}"])
        self._tab(text, BOTH, "both", "")
        for remark in (*self._following(running), RULE):
            if text.cell_len + len(remark) + 2 <= self.size.width:
                text.append(f"  {remark}", style="dim")
        return text

    def _following(self, running: Mapping[str, set[str]]) -> list[str]:
        if not any(running.values()):
            return ["nothing runs now"]
        return ["following what runs"] if self.follows else []

    def _tab(self, text: Text, name: str, said: str, color: str) -> None:
        click = Style(meta={"@click": f"screen.show_code('{name}')"})
        said = f"[{said}]" if name == self.view else f" {said} "
        text.append(said, style=Style.parse(f"bold {color}" if name == self.view else color) + click)

    def _lit(self) -> dict[str, set[str]]:
        """The titles of what each engine does now."""
        now = self.session.now()
        return {engine: sections_now(history, now) for engine, history in self.session.histories.items()}

    def _follow(self) -> None:
        """Go to what runs; but stay while some of it is well in sight, so that two engines do not tear the code to and fro."""
        if not self.follows or not self._shows("sections"):
            return
        titles = {title for engine, its in self._lit().items() if engine in self._shown for title in its} - {"Predict"}
        pages = self.query_one(Sections)
        top, height = pages.scroll_offset.y, pages.size.height
        lit = [part for part in self._parts() if part.pair.title in titles]
        if lit and not any(_in_sight(part.virtual_region, top, height) for part in lit):
            self._go_to(lit[0])

    def _go_to(self, part: SourceView) -> None:
        self.query_one(Sections).scroll_to(y=part.virtual_region.y, animate=False)

    # Commands

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The table has no sections."""
        if action in ("section", "follow", "next_code"):
            return True if self._ready and self._shows("sections") else None
        return super().check_action(action, parameters)

    def _shows(self, name: str) -> bool:
        return self.query_one(ContentSwitcher).current == name

    def action_scroll_code(self, pages: float) -> None:
        """Both columns, or the table."""
        shown = self.query_one(f"#{self.query_one(ContentSwitcher).current}", VerticalScroll)
        self.follows = False
        step = max(round(abs(pages) * shown.size.height), 1)
        shown.scroll_relative(y=step if pages > 0 else -step, animate=False)

    def on_sections_moved(self) -> None:
        """The mouse has gone elsewhere: stay there."""
        self.follows = False

    def action_next_code(self, step: int = 1) -> None:
        """PyTorch's code alone, Keras' alone, both."""
        views = (*ENGINES, BOTH)
        self.action_show_code(views[(views.index(self.view) + int(step)) % len(views)])

    def action_show_code(self, name: str) -> None:
        """An engine's code, or BOTH; the function at the top stays at the top."""
        self._view = name
        self.query_one(ContentSwitcher).current = "sections"
        self.refresh_bindings()
        self.show(set())

    def _place(self) -> tuple[SourceView, int, int] | None:
        """The section at the top, the twin in it, and the line of that, as they were laid out last."""
        top = self.query_one(Sections).scroll_offset.y
        for part in self.query(SourceView):
            if part.virtual_region.y <= top < part.virtual_region.bottom:
                return part, *part.position_at(top - part.virtual_region.y)
        return None

    def _settle(self, place: tuple[SourceView, int, int] | None) -> None:
        """The function that was at the top is at the top again."""
        if place is not None:
            part, twin, rest = place
            self.query_one(Sections).scroll_to(y=part.virtual_region.y + part.row_at(twin, rest), animate=False)
        self._follow()

    def action_section(self, step: int) -> None:
        """To the beginning of the next section, or of one before."""
        self.follows = False
        at, parts = self.query_one(Sections).scroll_offset.y, self._parts()
        if step > 0:
            ahead = [part for part in parts if part.virtual_region.y > at]
        else:
            ahead = [part for part in parts if part.virtual_region.y < at][::-1]
        if ahead:
            self._go_to(ahead[0])

    def action_follow(self) -> None:
        """What runs comes into sight, until one scrolls."""
        self.follows = not self.follows
        self.notify("Following what runs." if self.follows else "Staying here.", timeout=1.5)
        self.show(set())

    def action_hyperparameters(self) -> None:
        """The table instead of the code, or back."""
        self._problem = ""
        self.query_one(ContentSwitcher).current = "sections" if self._shows("hyperparameters") else "hyperparameters"
        self.refresh_bindings()
        self.show(set())

    # The table

    def _show_table(self) -> None:
        if not self._shows("hyperparameters"):
            return
        config = self._config()
        rows = self._tables.get(config)
        said = "" if rows else self._why_no_table(config)
        known = (config, rows is not None, said, self.app.theme)
        if known != self._shown_table:
            self._shown_table = known
            self.query_one("#table", Static).update(hyperparameters(rows, self.palette) if rows else Text(said))

    def _why_no_table(self, config: TrainConfig) -> str:
        """Also asks, when that is possible: both libraries have to be imported for it."""
        if self._problem:
            return f"n/a: {self._problem}"
        if not self._specs:
            return "n/a: a recording has no libraries to ask; `mnist-tui presets` asks them."
        if self._asking_since is None:
            if self.session.running:
                return "Not while a run is under way: both libraries would be imported once more, which would slow it down."
            self._asking_since = self.session.now()
            self._ask(config)
        return (
            f"Asking both libraries for every value of {config.preset}: {self.session.now() - self._asking_since:.0f} s"
        )

    @work(thread=True, exclusive=True, group="tabulate", exit_on_error=False)
    def _ask(self, config: TrainConfig) -> None:
        """In a thread; the libraries answer in processes of their own."""
        rows, problem = [], ""
        try:
            specs = [for_backend(spec, config.keras_backend) for spec in self._specs]
            rows = tabulate(specs, {config.preset: config}, self._cache_dir)[config.preset]
        except Exception as error:  # whatever it is: else the screen would wait for ever
            problem = formatting.to_plain_text(str(error) if isinstance(error, PresetsError) else reason(error))
        self.app.call_from_thread(self._take_table, config, rows, problem)

    def _take_table(self, config: TrainConfig, rows: list[HyperparameterRow], problem: str) -> None:
        self._asking_since, self._problem = None, problem
        if rows:
            self._tables[config] = rows
        self.show(set())


def _in_sight(part: Region, top: int, height: int) -> bool:
    """Whether it begins in the upper half of what is shown, or is shown whole."""
    return top <= part.y < top + height // 2 or (top <= part.y and part.bottom <= top + height)


def sections_now(history: RunHistory, now: float) -> set[str]:
    """The titles of the sections that the engine is in, by its last events."""
    found = {RUNS_IN[history.phase]} if history.phase in RUNS_IN else set()
    if history.prediction is not None and 0 <= now - history.prediction.t < ANSWERED_SECONDS:
        found.add("Predict")
    return found


def hyperparameters(rows: Sequence[HyperparameterRow], colors: Mapping[str, str]) -> Table:
    """Every value, a column for each engine; what differs stands first, marked and bright, what is equal dim."""
    table = Table.grid(padding=(0, 2, 0, 0))
    engines = list(rows[0].values)
    table.add_row(
        "",
        Text("hyperparameter", style="bold"),
        *(Text(TITLES.get(engine, engine), style=f"bold {colors[f'${engine}']}") for engine in engines),
        Text("left alone", style="bold"),
    )
    for row in sorted(rows, key=lambda row: row.same):
        if not any(row.values.values()) and not row.defaults:
            continue  # off in both
        style = "dim" if row.same else f"bold {colors['$warning']}"
        hidden = "; ".join(f"{TITLES.get(e, e)} {formatting.value(value)}" for e, value in row.defaults.items())
        cells = [Text(formatting.value(row.values[engine]), style=style) for engine in engines]
        table.add_row(Text("" if row.same else "≠", style=style), Text(row.name, style=style), *cells, Text(hidden))
    return table
