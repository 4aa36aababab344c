"""The Code screen: what runs, both engines side by side, lit where it runs now; and every hyperparameter of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
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
    TrainConfig,
    for_backend,
    tabulate,
    titled,
)
from tui import formatting
from tui.code import read_pairs, total
from tui.replay import Replay
from tui.screens.shown import ShownScreen
from tui.session import Session
from tui.widgets.line import Line
from tui.widgets.source import SourcePair

RUNS_IN = {
    IMPORTING: "Setup", LOADING: "Data", BUILDING: "Model", FIRST_STEP: "Train", TRAINING: "Train", EVALUATING: "Evaluate",
}  # fmt: skip
"""Which section an engine is in while it is in that phase."""
ANSWERED_SECONDS = 0.7
"""How long Predict stays lit after an answer, which itself takes no time that one could see."""


class CodeScreen(ShownScreen):
    """Reads the engines' files as text; imports no framework."""

    NAME = "code"
    BINDINGS = ShownScreen.bindings(NAME)
    CSS_PATH = "code.tcss"

    def __init__(
        self,
        session: Session | Replay,
        specs: Sequence[EngineSpec],
        cache_dir: Path,
        config: Callable[[], TrainConfig],
        *,
        ascii_only: bool = False,
    ) -> None:
        super().__init__(session, ascii_only=ascii_only)
        self.follows = False
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
        yield Line(id="sums")
        with ContentSwitcher(initial="sections", id="switcher"):
            with VerticalScroll(id="sections", can_focus=False):
                yield from self._sections()
            with VerticalScroll(id="hyperparameters", can_focus=False):
                yield Static(id="table")

    def _sections(self) -> list[SourcePair]:
        mark, titles = ">" if self.ascii_only else "▶", [titled(engine, self._backend) for engine in ENGINES]
        return [SourcePair(pair, ENGINES, mark, titles) for pair in self._pairs]

    def _present_backend(self) -> str:
        """What Keras computes with, or last did; before its first run, by the settings."""
        ran = self.session.histories["keras"].config if "keras" in self.session.histories else None
        return (ran or self._config()).keras_backend

    def _parts(self) -> list[SourcePair]:
        """The sections on the screen, once they have their columns."""
        return [part for part in self.query(SourcePair) if len(part.query(".code")) == len(ENGINES)]

    def _read_again(self, backend: str) -> None:
        """Other code runs."""
        self._backend, self._pairs = backend, read_pairs(ENGINES, backend)
        sections = self.query_one("#sections", VerticalScroll)
        sections.remove_children()
        sections.mount_all(self._sections())

    # Show

    def show(self, changed: set[str]) -> None:
        """Where each engine is now, and the table."""
        if (backend := self._present_backend()) != self._backend:
            self._read_again(backend)
        self.query_one("#sums", Line).say(self._sums())
        running = self._lit()
        for part in self._parts():
            part.fit(self.size.width - 1)  # beside the scroll bar
            part.light({engine for engine, titles in running.items() if part.pair.title in titles})
        if self.follows:
            self._follow(running)
        self._show_table()

    def _sums(self) -> Text:
        text = Text(" ")
        for i, engine in enumerate(ENGINES):
            said = f"{titled(engine, self._backend)} {total(self._pairs, i)} lines"
            text.append(said, style=f"bold {self.palette[f'${engine}']}")
            text.append("   ")
        if text.cell_len + len(RULE) <= self.size.width:
            text.append(RULE, style="dim")
        return text

    def _lit(self) -> dict[str, set[str]]:
        """The titles of what each engine does now."""
        now = self.session.now()
        return {engine: sections_now(history, now) for engine, history in self.session.histories.items()}

    def _follow(self, running: Mapping[str, set[str]]) -> None:
        lit = [part for part in self._parts() if any(part.pair.title in titles for titles in running.values())]
        if lit:
            self._go_to(lit[0])

    def _go_to(self, part: SourcePair) -> None:
        self.query_one("#sections", VerticalScroll).scroll_to(y=part.virtual_region.y, animate=False)

    # Commands

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The table has no sections."""
        if action in ("section", "follow"):
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

    def action_section(self, step: int) -> None:
        """To the beginning of the next section, or of one before."""
        self.follows = False
        at, parts = self.query_one("#sections").scroll_offset.y, self._parts()
        if step > 0:
            ahead = [part for part in parts if part.virtual_region.y > at]
        else:
            ahead = [part for part in parts if part.virtual_region.y < at][::-1]
        if ahead:
            self._go_to(ahead[0])

    def action_follow(self) -> None:
        """What runs stays in sight until one scrolls."""
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
        except PresetsError as error:
            problem = formatting.plain(str(error))
        self.app.call_from_thread(self._take_table, config, rows, problem)

    def _take_table(self, config: TrainConfig, rows: list[HyperparameterRow], problem: str) -> None:
        self._asking_since, self._problem = None, problem
        if rows:
            self._tables[config] = rows
        self.show(set())


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
