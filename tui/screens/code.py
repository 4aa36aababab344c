"""The Code screen: both scripts side by side, both engines, highlighted where they run, and every hyperparameter of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual import on, work
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
    RunSource,
    TrainConfig,
    display_name,
    for_backend,
    plural,
    reason,
    tabulate,
)
from tui import formatting
from tui.reports.source_columns import Pair, folded, read_pairs, read_script_pairs, total_lines
from tui.screens.base import BaseScreen
from tui.widgets.source_sections import Position, SourceSections
from tui.widgets.text_line import TextLine

PHASE_SECTIONS = {
    IMPORTING: "Setup", LOADING: "Data", BUILDING: "Model", FIRST_STEP: "Train", TRAINING: "Train", EVALUATING: "Evaluate",
}  # fmt: skip
"""The section of the code that runs in a phase."""
FIRST_SECTION = "Model"
"""The section of the engines at the top when they are shown first and nothing runs."""
SCRIPTS, SOURCES, TABLE = "scripts", "sections", "hyperparameters"
"""The ids of the views: the stand-alone scripts, the engines' code, the table."""
BOTH = "both"
BOTH_FROM = 100
"""The width in columns from which both engines' code is shown at first; below it, most lines would wrap."""
CACHE_SECONDS = 0.5
"""Seconds within which cached values are read; nothing is shown meanwhile."""
PREDICT_SECONDS = 0.7
"""Seconds for which Predict stays highlighted after a prediction, which is too short to be seen."""


class CodeScreen(BaseScreen):
    """Shows the engines' files as text, without importing a framework."""

    NAME = "code"
    BINDINGS = BaseScreen.bindings(NAME)  # CODE in tui/commands.py
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
        self.following = True
        self._chosen_columns: str | None = None
        """The engine that the user chose, or BOTH; None lets the width decide."""
        self._specs = specs
        self._cache_dir = cache_dir
        self._config = config
        self._backend = self._current_backend()
        self._folded = False
        """True while docstrings and comments are hidden."""
        mark = ">" if ascii_only else "►"
        self._scripts = SourceSections(
            read_script_pairs(ENGINES), ENGINES, mark, self._titles, name=SCRIPTS, dense=True
        )
        self._sources = SourceSections(read_pairs(ENGINES, self._backend), ENGINES, mark, self._titles, name=SOURCES)
        self._code = SCRIPTS
        """The view of code that is shown, or was before the table."""
        self._opened = False
        """True once the engines' first section has been scrolled to."""
        self._tabulating_since: float | None = None
        """The start of the running query of the libraries; None without one."""
        self._tables: dict[TrainConfig, list[HyperparameterRow]] = {}
        self._problem = ""
        """The error of the last query; empty when it succeeded, or there was none."""
        self._shown_table: tuple[object, ...] = ()

    def compose_body(self) -> ComposeResult:
        yield TextLine(id="sums")
        with ContentSwitcher(initial=SCRIPTS, id="switcher"):
            yield self._scripts
            yield self._sources
            with VerticalScroll(id=TABLE, can_focus=False):
                yield Static(id="table")

    @property
    def _titles(self) -> list[str]:
        return [display_name(engine, self._backend) for engine in ENGINES]

    def _current_backend(self) -> str:
        """Return the Keras backend of the current or last run; before the first, that of the settings."""
        last = self.session.histories["keras"].config if "keras" in self.session.histories else None
        return (last or self._config()).keras_backend

    def _read_pairs(self, view: str) -> list[Pair]:
        pairs = read_script_pairs(ENGINES) if view == SCRIPTS else read_pairs(ENGINES, self._backend)
        return list(map(folded, pairs)) if self._folded else pairs

    # Sections

    @property
    def columns(self) -> str:
        """The engine whose code is shown, or BOTH for both."""
        return self._chosen_columns or (BOTH if self.size.width >= BOTH_FROM else ENGINES[0])

    @property
    def _shown(self) -> tuple[str, ...]:
        return tuple(ENGINES) if self.columns == BOTH else (self.columns,)

    @property
    def _sections(self) -> SourceSections:
        """The scripts or the engines, whichever are shown, or were before the table."""
        return self._scripts if self._code == SCRIPTS else self._sources

    def update_body(self, changed: set[str]) -> None:
        """Highlight what each engine runs now, scroll there, and update the table."""
        if (backend := self._current_backend()) != self._backend:
            self._backend = backend
            self._sources.replace(self._read_pairs(SOURCES), self._titles)
        running = self._running_sections()
        self.query_one("#sums", TextLine).set_text(self._sums(running))
        sections = self._sections
        position, fitted = (
            sections.top_position,
            sections.fit(self.size.width - 1, self._shown),
        )  # beside the scroll bar
        sections.highlight_running(running)
        if fitted:
            self.call_after_refresh(self._restore_position, sections, position)  # after the new layout
        else:
            self._follow(running)
        self._show_table()

    def _sums(self, running: Mapping[str, set[str]]) -> Text:
        """Return the tabs of the engines, with the number of lines and the running sections of each."""
        text, mark, pairs = Text(), ">" if self.ascii_only else "►", self._sections.pairs
        for i, engine in enumerate(ENGINES):
            name = self._titles[i] if self._code == SOURCES else TITLES[engine]
            title = f"{name} {plural(total_lines(pairs, i), 'line')}"
            now = " + ".join(pair.title for pair in pairs if pair.title in running.get(engine, ()))
            self._append_tab(text, engine, f"{title} {mark} {now}" if now else title, self.palette[f"${engine}"])
        self._append_tab(text, BOTH, "both", "")
        for remark in (*self._remarks(running), RULE):
            if text.cell_len + len(remark) + 2 <= self.size.width:
                text.append(f"  {remark}", style="dim")
        return text

    def _remarks(self, running: Mapping[str, set[str]]) -> list[str]:
        hidden = ["without comments"] if self._folded else []
        if self._code == SCRIPTS:
            return ["stand-alone scripts", *hidden, "mnist-tui script pytorch prints one"]
        if not any(running.values()):
            return [*hidden, "nothing runs now", "the engines"]
        return [*hidden, *(["following what runs"] if self.following else []), "the engines"]

    def _append_tab(self, text: Text, name: str, title: str, color: str) -> None:
        click = Style(meta={"@click": f"screen.show_code('{name}')"})
        tab = f"[{title}]" if name == self.columns else f" {title} "
        text.append(tab, style=Style.parse(f"bold {color}" if name == self.columns else color) + click)

    def _running_sections(self) -> dict[str, set[str]]:
        """Return the titles of the engines' sections that run now; a script never does."""
        if self._code == SCRIPTS:
            return {}
        now = self.session.now()
        return {engine: sections_now(history, now) for engine, history in self.session.histories.items()}

    def _follow(self, running: Mapping[str, set[str]]) -> None:
        """Scroll to what runs, unless some of it is in sight, so that two engines don't pull the view back and forth."""
        if not self._is_current(SOURCES):
            return
        if not self._opened:
            self._opened = self._sources.scroll_to_title(FIRST_SECTION)
        if self.following:
            self._sources.scroll_to_any({t for engine in self._shown for t in running.get(engine, ())} - {"Predict"})

    # Commands

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the commands of the code while the table is shown, and those of what runs while the scripts are."""
        if action in ("section", "next_code", "fold", "follow"):
            usable = self._ready and self._is_current(SOURCES if action == "follow" else self._code)
            return True if usable else None
        return super().check_action(action, parameters)

    def _is_current(self, name: str) -> bool:
        return self.query_one(ContentSwitcher).current == name

    def _show_view(self, name: str) -> None:
        """Show the scripts, the engines or the table."""
        self.query_one(ContentSwitcher).current = name
        self.refresh_bindings()
        self.update_body(set())

    def action_scroll_code(self, pages: float) -> None:
        """Scroll the code or the table by pages."""
        shown = self.query_one(f"#{self.query_one(ContentSwitcher).current}", VerticalScroll)
        self.following = False
        step = max(round(abs(pages) * shown.size.height), 1)
        shown.scroll_relative(y=step if pages > 0 else -step, animate=False)

    @on(SourceSections.Moved)
    def _on_moved(self) -> None:
        self.following = False

    def action_switch_view(self) -> None:
        """Show the engines instead of the scripts, or the scripts again."""
        self._code = SCRIPTS if self._code == SOURCES and not self._is_current(TABLE) else SOURCES
        self._show_view(self._code)

    def action_next_code(self, step: int = 1) -> None:
        choices = (*ENGINES, BOTH)
        self.action_show_code(choices[(choices.index(self.columns) + int(step)) % len(choices)])

    def action_show_code(self, name: str) -> None:
        """Show an engine's code, or BOTH; the function at the top stays there."""
        self._chosen_columns = name
        self._show_view(self._code)

    def _restore_position(self, sections: SourceSections, position: Position | None) -> None:
        """Scroll the function that was at the top back there."""
        sections.restore_position(position)
        self._follow(self._running_sections())

    def action_section(self, step: int) -> None:
        """Scroll to the start of the next section, or of a previous one."""
        self.following = False
        self._sections.scroll_to_next(step)

    def action_follow(self) -> None:
        """Follow what runs until the user scrolls, or stop following."""
        self.following = not self.following
        self.notify("Following what runs." if self.following else "Staying here.", timeout=1.5)
        self.update_body(set())

    def action_fold(self) -> None:
        """Hide docstrings and comments, or show them again; the function at the top stays there."""
        self._folded = not self._folded
        self._scripts.update(self._read_pairs(SCRIPTS))
        self._sources.update(self._read_pairs(SOURCES))
        self.update_body(set())

    def action_hyperparameters(self) -> None:
        """Show the table instead of the code, or the code again."""
        self._problem = ""
        self._show_view(self._code if self._is_current(TABLE) else TABLE)

    # The table

    def _show_table(self) -> None:
        if not self._is_current(TABLE):
            return
        config = self._config()
        rows = self._tables.get(config)
        message = "" if rows else self._query_table(config)
        state = (config, rows is not None, message, self.app.theme)
        if state != self._shown_table:
            self._shown_table = state
            self.query_one("#table", Static).update(hyperparameters(rows, self.palette) if rows else Text(message))

    def _query_table(self, config: TrainConfig) -> str:
        """Start a query of both libraries, which imports those whose values are not cached; return what to show meanwhile."""
        if self._problem:
            return f"n/a: {self._problem}"
        if not self._specs:
            return "n/a: a recording has no libraries; `mnist-tui presets` shows their values."
        if self._tabulating_since is None:
            histories = self.session.histories
            if any(
                history.phase == IMPORTING for history in histories.values()
            ):  # their versions name the cached values
                return "Both libraries are being imported; their values follow."
            self._tabulating_since = self.session.now()
            ready = {engine: history.last_worker_ready for engine, history in histories.items()}
            self._tabulate(config, {engine: worker.framework for engine, worker in ready.items() if worker})
        seconds = self.session.now() - self._tabulating_since
        if seconds < CACHE_SECONDS:
            return ""
        slower = ", which takes longer while a run is under way" if self.session.running else ""
        return f"Reading every value of {config.preset} from both libraries, once for these settings{slower}: {seconds:.0f} s"

    @work(thread=True, exclusive=True, group="tabulate", exit_on_error=False)
    def _tabulate(self, config: TrainConfig, frameworks: Mapping[str, str]) -> None:
        """Query the libraries in a thread; each that is not cached runs in a process of its own."""
        rows, problem = [], ""
        try:
            specs = [for_backend(spec, config.keras_backend) for spec in self._specs]
            rows = tabulate(specs, {config.preset: config}, self._cache_dir, frameworks)[config.preset]
        except Exception as error:  # any error, or the screen would wait forever
            problem = formatting.to_plain_text(str(error) if isinstance(error, PresetsError) else reason(error))
        self.app.call_from_thread(self._set_table, config, rows, problem)

    def _set_table(self, config: TrainConfig, rows: list[HyperparameterRow], problem: str) -> None:
        self._tabulating_since, self._problem = None, problem
        if rows:
            self._tables[config] = rows
        self.update_body(set())


def sections_now(history: RunHistory, now: float) -> set[str]:
    """Return the titles of the sections that an engine runs, by its last events."""
    titles = {PHASE_SECTIONS[history.phase]} if history.phase in PHASE_SECTIONS else set()
    if history.prediction is not None and 0 <= now - history.prediction.t < PREDICT_SECONDS:
        titles.add("Predict")
    return titles


def hyperparameters(rows: Sequence[HyperparameterRow], colors: Mapping[str, str]) -> Table:
    """Return a table of all values, a column for each engine: first those that differ, marked, then the equal ones, dim."""
    table = Table.grid(padding=(0, 2, 0, 0))
    engines = list(rows[0].values)
    table.add_row(
        "",
        Text("hyperparameter", style="bold"),
        *(Text(TITLES.get(engine, engine), style=f"bold {colors[f'${engine}']}") for engine in engines),
        Text("library default", style="bold"),
    )
    for row in sorted(rows, key=lambda row: row.same):
        if not any(row.values.values()) and not row.defaults:
            continue  # off in both
        style = "dim" if row.same else f"bold {colors['$warning']}"
        hidden = "; ".join(f"{TITLES.get(e, e)} {formatting.value(value)}" for e, value in row.defaults.items())
        cells = [Text(formatting.value(row.values[engine]), style=style) for engine in engines]
        table.add_row(Text("" if row.same else "≠", style=style), Text(row.name, style=style), *cells, Text(hidden))
    return table
