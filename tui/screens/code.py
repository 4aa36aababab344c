"""The Code screen: the code of both engines side by side, highlighted where it runs, and every hyperparameter of both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.style import Style
from rich.table import Table
from rich.text import Text
from textual import on, work
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
from tui.reports.source_columns import Pair, folded, read_pairs, total_lines
from tui.screens.base import BaseScreen
from tui.widgets.source_view import MIN_ROWS, SourceView
from tui.widgets.text_line import TextLine

PHASE_SECTIONS = {
    IMPORTING: "Setup", LOADING: "Data", BUILDING: "Model", FIRST_STEP: "Train", TRAINING: "Train", EVALUATING: "Evaluate",
}  # fmt: skip
"""The section of the code that runs in a phase."""
FIRST_SECTION = "Model"
"""The section at the top when the screen opens while nothing runs."""
BOTH = "both"
BOTH_FROM = 100
"""The width in columns from which both engines' code is shown at first; below it, most lines would wrap."""
CACHE_SECONDS = 0.5
"""Seconds within which cached values are read; nothing is shown meanwhile."""
PREDICT_SECONDS = 0.7
"""Seconds for which Predict stays highlighted after a prediction, which is too short to be seen."""


class Sections(VerticalScroll):
    """The scrolling sections of code."""

    class Moved(Message):
        """The mouse wheel or the scroll bar has scrolled the sections."""

    def _post_moved(self) -> None:
        self.post_message(self.Moved())

    on_mouse_scroll_up = on_mouse_scroll_down = on_scroll_up = on_scroll_down = on_scroll_to = _post_moved


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
        self._chosen_view: str | None = None
        """The engine that the user chose, or BOTH; None lets the width decide."""
        self._specs = specs
        self._cache_dir = cache_dir
        self._config = config
        self._backend = self._current_backend()
        self._folded = False
        """True while docstrings and comments are hidden."""
        self._pairs = self._read_pairs(self._backend)
        self._opened = False
        """True once the first section has been scrolled to."""
        self._tabulating_since: float | None = None
        """The start of the running query of the libraries; None without one."""
        self._tables: dict[TrainConfig, list[HyperparameterRow]] = {}
        self._problem = ""
        """The error of the last query; empty when it succeeded, or there was none."""
        self._shown_table: tuple[object, ...] = ()

    def compose_body(self) -> ComposeResult:
        yield TextLine(id="sums")
        with ContentSwitcher(initial="sections", id="switcher"):
            with Sections(id="sections", can_focus=False):
                yield from self._sections()
            with VerticalScroll(id="hyperparameters", can_focus=False):
                yield Static(id="table")

    def _sections(self) -> list[SourceView]:
        mark, titles = ">" if self.ascii_only else "►", [display_name(engine, self._backend) for engine in ENGINES]
        return [SourceView(pair, ENGINES, mark, titles) for pair in self._pairs]

    def _current_backend(self) -> str:
        """Return the Keras backend of the current or last run; before the first, that of the settings."""
        last = self.session.histories["keras"].config if "keras" in self.session.histories else None
        return (last or self._config()).keras_backend

    def _laid_out(self) -> list[SourceView]:
        """Return the sections that have their columns."""
        return [part for part in self.query(SourceView) if len(part.query(".code")) == len(ENGINES)]

    def _read_pairs(self, backend: str) -> list[Pair]:
        pairs = read_pairs(ENGINES, backend)
        return list(map(folded, pairs)) if self._folded else pairs

    def _set_backend(self, backend: str) -> None:
        """Show the code of another Keras backend."""
        self._backend, self._pairs = backend, self._read_pairs(backend)
        sections = self.query_one(Sections)
        sections.remove_children()
        sections.mount_all(self._sections())

    # Sections

    @property
    def view(self) -> str:
        """The engine whose code is shown, or BOTH for both."""
        return self._chosen_view or (BOTH if self.size.width >= BOTH_FROM else ENGINES[0])

    @property
    def _shown(self) -> tuple[str, ...]:
        return tuple(ENGINES) if self.view == BOTH else (self.view,)

    def update_body(self, changed: set[str]) -> None:
        """Highlight what each engine runs now, scroll there, and update the table."""
        if (backend := self._current_backend()) != self._backend:
            self._set_backend(backend)
        running = self._running_sections()
        self.query_one("#sums", TextLine).set_text(self._sums(running))
        position, fitted = self._top_position(), False
        for part in self._laid_out():
            fitted |= part.fit(self.size.width - 1, self._shown)  # beside the scroll bar
            part.highlight_running({engine for engine, titles in running.items() if part.pair.title in titles})
        if fitted:
            self.call_after_refresh(self._restore_position, position)  # after the new layout
        else:
            self._open_at_first_section()
            self._follow()
        self._show_table()

    def _sums(self, running: Mapping[str, set[str]]) -> Text:
        """Return the tabs of the engines, with the number of lines and the running sections of each."""
        text, mark = Text(), ">" if self.ascii_only else "►"
        for i, engine in enumerate(ENGINES):
            title = f"{display_name(engine, self._backend)} {plural(total_lines(self._pairs, i), 'line')}"
            now = " + ".join(pair.title for pair in self._pairs if pair.title in running.get(engine, ()))
            self._append_tab(text, engine, f"{title} {mark} {now}" if now else title, self.palette[f"${engine}"])
        self._append_tab(text, BOTH, "both", "")
        for remark in (*self._follow_remarks(running), RULE):
            if text.cell_len + len(remark) + 2 <= self.size.width:
                text.append(f"  {remark}", style="dim")
        return text

    def _follow_remarks(self, running: Mapping[str, set[str]]) -> list[str]:
        hidden = ["without comments"] if self._folded else []
        if not any(running.values()):
            return [*hidden, "nothing runs now"]
        return [*hidden, "following what runs"] if self.following else hidden

    def _append_tab(self, text: Text, name: str, title: str, color: str) -> None:
        click = Style(meta={"@click": f"screen.show_code('{name}')"})
        tab = f"[{title}]" if name == self.view else f" {title} "
        text.append(tab, style=Style.parse(f"bold {color}" if name == self.view else color) + click)

    def _running_sections(self) -> dict[str, set[str]]:
        """Return the titles of the sections that each engine runs now."""
        now = self.session.now()
        return {engine: sections_now(history, now) for engine, history in self.session.histories.items()}

    def _open_at_first_section(self) -> None:
        """Scroll to the first section once its code is laid out."""
        part = next((part for part in self._laid_out() if part.pair.title == FIRST_SECTION), None)
        if not self._opened and part is not None and part.virtual_region.height > MIN_ROWS:
            self._opened = True
            self._scroll_to_section(part)

    def _follow(self) -> None:
        """Scroll to what runs, unless some of it is in sight, so that two engines don't pull the view back and forth."""
        if not self.following or not self._is_current("sections"):
            return
        running = self._running_sections()
        titles = {title for engine in self._shown for title in running.get(engine, ())} - {"Predict"}
        pages = self.query_one(Sections)
        top, height = pages.scroll_offset.y, pages.size.height
        parts = [part for part in self._laid_out() if part.pair.title in titles]
        if parts and not any(_in_sight(part.virtual_region, top, height) for part in parts):
            self._scroll_to_section(parts[0])

    def _scroll_to_section(self, part: SourceView) -> None:
        self.query_one(Sections).scroll_to(y=part.virtual_region.y, animate=False)

    # Commands

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the commands of the sections while the table is shown."""
        if action in ("section", "follow", "next_code", "fold"):
            return True if self._ready and self._is_current("sections") else None
        return super().check_action(action, parameters)

    def _is_current(self, name: str) -> bool:
        return self.query_one(ContentSwitcher).current == name

    def action_scroll_code(self, pages: float) -> None:
        """Scroll the sections or the table by pages."""
        shown = self.query_one(f"#{self.query_one(ContentSwitcher).current}", VerticalScroll)
        self.following = False
        step = max(round(abs(pages) * shown.size.height), 1)
        shown.scroll_relative(y=step if pages > 0 else -step, animate=False)

    @on(Sections.Moved)
    def _on_moved(self) -> None:
        self.following = False

    def action_next_code(self, step: int = 1) -> None:
        views = (*ENGINES, BOTH)
        self.action_show_code(views[(views.index(self.view) + int(step)) % len(views)])

    def action_show_code(self, name: str) -> None:
        """Show an engine's code, or BOTH; the function at the top stays there."""
        self._chosen_view = name
        self.query_one(ContentSwitcher).current = "sections"
        self.refresh_bindings()
        self.update_body(set())

    def _top_position(self) -> tuple[SourceView, int, int] | None:
        """Return the section at the top, the twin in it, and the line in that, by the last layout."""
        top = self.query_one(Sections).scroll_offset.y
        for part in self.query(SourceView):
            if part.virtual_region.y <= top < part.virtual_region.bottom:
                return part, *part.position_at(top - part.virtual_region.y)
        return None

    def _restore_position(self, position: tuple[SourceView, int, int] | None) -> None:
        """Scroll the function that was at the top back there."""
        if position is not None:
            part, twin, rest = position
            self.query_one(Sections).scroll_to(y=part.virtual_region.y + part.row_at(twin, rest), animate=False)
        self._follow()

    def action_section(self, step: int) -> None:
        """Scroll to the start of the next section, or of a previous one."""
        self.following = False
        top, parts = self.query_one(Sections).scroll_offset.y, self._laid_out()
        if step > 0:
            ahead = [part for part in parts if part.virtual_region.y > top]
        else:
            ahead = [part for part in parts if part.virtual_region.y < top][::-1]
        if ahead:
            self._scroll_to_section(ahead[0])

    def action_follow(self) -> None:
        """Follow what runs until the user scrolls, or stop following."""
        self.following = not self.following
        self.notify("Following what runs." if self.following else "Staying here.", timeout=1.5)
        self.update_body(set())

    def action_fold(self) -> None:
        """Hide docstrings and comments, or show them again; the function at the top stays there."""
        self._folded = not self._folded
        self._pairs = self._read_pairs(self._backend)
        for part, pair in zip(self.query(SourceView), self._pairs, strict=True):
            part.show(pair)
        self.update_body(set())

    def action_hyperparameters(self) -> None:
        """Show the table instead of the code, or the code again."""
        self._problem = ""
        self.query_one(ContentSwitcher).current = (
            "sections" if self._is_current("hyperparameters") else "hyperparameters"
        )
        self.refresh_bindings()
        self.update_body(set())

    # The table

    def _show_table(self) -> None:
        if not self._is_current("hyperparameters"):
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


def _in_sight(part: Region, top: int, height: int) -> bool:
    """Return whether a section starts in the upper half of the visible rows, or is visible from start to end."""
    return top <= part.y < top + height // 2 or (top <= part.y and part.bottom <= top + height)


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
