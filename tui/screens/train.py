"""The Train screen: a pane for each engine, the race, the machine and the logs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import Screen

from engines.api import TITLES, RunHistory, RunRequest, energy_joules
from tui import themes
from tui.charts.braille import plot_width
from tui.charts.scales import ERROR
from tui.charts.viewport import ZOOM, Viewport
from tui.commands import KEYS
from tui.run_controller import RunController
from tui.widgets import header, launcher, machine, race
from tui.widgets.curves import (
    CURVES,
    DASHED,
    axes,
    curves,
    difference,
    difference_axes,
    scale_of,
    x_extent as curves_extent,
)
from tui.widgets.engine_panel import EnginePanel, turn_text
from tui.widgets.key_bar import KeyBar
from tui.widgets.launcher import Launcher
from tui.widgets.line_chart import LineChart
from tui.widgets.overlay import Overlay
from tui.widgets.text_line import TextLine

if TYPE_CHECKING:
    from tui.widgets.big_figures import BigFigures
    from tui.widgets.log_panel import LogPanel
    from tui.widgets.more_charts import MoreCharts

TALL = 32
"""The height in rows from which a series of seeds has lanes for the finished ones."""
LAYOUTS = ("beside", "overlaid", "difference", "loss", "accuracy", "more")
"""A pane of charts for each engine; both in one pair of charts, or their difference; one chart alone; or more charts."""


class Panes(Horizontal):
    """The engines' panes; when stacked, they are equally high, so that all or none have room for a chart."""

    def on_resize(self) -> None:
        """Pad away the rows that can't be shared equally."""
        stacked = self.styles.layout is not None and self.styles.layout.name == "vertical"
        self.styles.padding = (0, 0, self.outer_size.height % (len(self.children) or 1) if stacked else 0, 0)


class TrainScreen(Screen[None]):
    """Draws the session's histories and the aim, and has no state of theirs."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-normal"), (110, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (15, "-short"), (23, "-medium"), (TALL, "-tall")]
    AUTO_FOCUS = ""

    class Chosen(Message):
        """Posted when the user chooses what the next run trains."""

        def __init__(self, request: RunRequest) -> None:
            super().__init__()
            self.request = request

    def __init__(self, controller: RunController, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.controller = controller
        self.session = controller.session
        self.ascii_only = ascii_only
        self.view = Viewport()
        self.layout_name = LAYOUTS[0]
        self._cursor_from_mouse = False
        self._palette_theme = ""
        self._palette_cache: dict[str, str] = {}
        self._header, self._machine_line = TextLine(id="header"), TextLine(id="machine")
        self._panels = {engine: EnginePanel(engine, ascii_only=ascii_only) for engine in self.session.histories}
        self._launcher = Launcher()
        self._launcher_reopened = False
        self._not_chosen = TextLine(id="not-chosen")
        self._race = TextLine(id="race")
        self._overlay: Overlay | None = None
        self._more: MoreCharts | None = None
        self._big: BigFigures | None = None
        self._logs: LogPanel | None = None
        """Like the overlay, made when first needed, to keep the first paint fast."""

    def compose(self) -> ComposeResult:
        """Set the classes of this size before mounting, or Textual would style every widget twice."""
        for breakpoints, cells in zip(
            (self.HORIZONTAL_BREAKPOINTS, self.VERTICAL_BREAKPOINTS), self.app.size, strict=True
        ):
            self.add_class(max(limit for limit in breakpoints if limit[0] <= cells)[1], update=False)
        yield self._header
        yield Panes(*self._panels.values(), id="panels")
        yield self._not_chosen
        yield self._launcher
        yield self._race
        yield self._machine_line
        yield KeyBar()

    def on_screen_resume(self) -> None:
        """Fill the widgets before they are painted, or they would be painted twice, the first time empty."""
        batch = ExitStack()
        batch.enter_context(self.app.batch_update())
        self.call_later(self._fill, batch)

    def _fill(self, batch: ExitStack) -> None:
        with batch:
            self.show_frame(set(self.session.histories), True)

    def on_resize(self) -> None:
        self.call_after_refresh(self.show_frame, set(self.session.histories), True)

    def show_frame(self, changed: set[str], with_curves: bool) -> None:
        """Draw one frame; see FrameReceiver."""
        if not self._header.is_attached:  # not composed yet, or already removed
            return
        session, now, palette = self.session, self.session.now(), self._palette()
        width = self.size.width
        with self.app.batch_update():
            self._header.set_text(header.render_header(session, now, width, 1, palette))
            self._show_chosen(palette)
            for engine, panel in self._panels.items():
                panel.set_class(engine == self.controller.aim, "-aimed")
                panel.turn = turn_text(session, engine, now)
                presses = [KEYS["focus_engine"]] * self.controller.presses_to_aim_at(engine)
                panel.kill_keys = "" if session.recorded else " ".join([*presses, KEYS["kill"]])
                history = session.histories[engine]
                energy = energy_joules(history, session.machine, session.histories.values(), now)
                panel.show_state(history, now, session.machine, energy, self.view, palette)
            self._show_charts(with_curves and bool(changed & set(session.histories)), palette)
            self._show_race(now, palette)
            self._machine_line.set_text(
                Text(f" {session.problem}", style="bold")
                if session.problem
                else machine.render_machine(session.machine, width, self.ascii_only)
            )
            if self._logs is not None:
                self._logs.show_logs(session.histories)
            if self._big is not None:
                self._big.show(self._shown_histories, session.seed_results, palette, ascii_only=self.ascii_only)
                if self._big.is_over(session.histories, session.running):
                    self.action_big()

    # The launcher

    @property
    def _shown_histories(self) -> dict[str, RunHistory]:
        return {engine: self.session.histories[engine] for engine in self.controller.shown_engines}

    @property
    def launcher_shown(self) -> bool:
        """True before the first run, and when it was opened again after one."""
        idle = not self.session.recorded and not self.session.running
        return idle and (self._launcher_reopened or not self.controller.has_run)

    def _show_chosen(self, palette: dict[str, str]) -> None:
        """Show the launcher or the charts, and a pane for each engine that is chosen."""
        shown = self.launcher_shown
        if shown != self.has_class("-launching"):
            self.set_class(shown, "-launching")
            self.call_after_refresh(self.show_frame, set(self.session.histories), True)  # charts have their size then
        if self.session.running:
            self._launcher_reopened = False
        if shown:
            self._launcher.show(self.session, self.controller.paces, palette)
        engines = self.controller.shown_engines
        others = [engine for engine in self.session.histories if engine not in engines]
        for engine, panel in self._panels.items():
            panel.display = engine in engines
        self._not_chosen.display = bool(others)
        names = " and ".join(TITLES.get(engine, engine) for engine in others)
        self._not_chosen.set_text(Text(f" {names} is not chosen · {KEYS['framework']}", style="dim"))

    def action_framework(self, direction: int) -> None:
        self._choose_next("framework", direction)

    def action_device(self, direction: int) -> None:
        self._choose_next("device", direction)

    def action_preset(self, direction: int) -> None:
        self._choose_next("preset", direction)

    async def action_launch(self) -> None:
        if self.launcher_shown:
            await self.run_action("app.start")

    def action_launch_option(self, row: str, index: int) -> None:
        """Choose the option that was clicked."""
        self.post_message(self.Chosen(self._launcher.options[row][index].request))

    def _choose_next(self, row: str, direction: int) -> None:
        if self.launcher_shown:
            self.post_message(self.Chosen(self._launcher.next_request(row, direction)))
        else:
            self._launcher_reopened = True
            self.show_frame(set(self.session.histories), True)

    def _show_race(self, now: float, palette: dict[str, str]) -> None:
        """Show the race; a series of seeds has a lane for each finished one where the screen is high."""
        session, room = self.session, max(self.size.height - TALL, 0) // 4 + 2 if self.size.height >= TALL else 0
        lanes = race.render_race(
            self._shown_histories, now, session.seed_results, self.size.width, palette, self.ascii_only, room
        )
        if len(lanes) != self._race.size.height:
            self._race.styles.height = len(lanes)
        self._race.set_text(*lanes)

    def action_big(self) -> None:
        """Show figures for the back of a room; the screen is as before after the verdict, or when asked again."""
        from tui.widgets.big_figures import BigFigures

        if self._big is not None:
            self._big.remove()
            self._big = None
        else:
            self._big = BigFigures(self.session.histories)
            self.mount(self._big, after="#panels")
        self.set_class(self._big is not None, "-big")
        self.call_after_refresh(self.show_frame, set(self.session.histories), True)

    # Logs

    @property
    def _logs_shown(self) -> bool:
        return self._logs is not None and bool(self._logs.display)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable the commands of hidden logs, and those that choose the next run during one."""
        if action in (*launcher.OPTIONS, "launch_option"):
            return None if self.session.running or self.session.recorded else True
        return None if action in ("copy_logs", "scroll_logs") and not self._logs_shown else True

    def action_log(self) -> None:
        if self._logs is None:
            from tui.widgets.log_panel import LogPanel

            self._logs = LogPanel(list(self.session.histories))
            self.mount(self._logs, after="#panels")
        else:
            self._logs.display = not self._logs.display
            if not self._logs.display:
                self._logs.end_search("")
        self.call_after_refresh(self.show_frame, set(self.session.histories), True)

    def action_find(self) -> None:
        if not self._logs_shown:
            self.action_log()
        if self._logs is not None:
            self.call_after_refresh(self._logs.start_search)

    def on_log_panel_search_changed(self, event: LogPanel.SearchChanged) -> None:
        """Search while the user types."""
        if self._logs is not None:
            self._logs.find(event.text, self.session.histories)

    def action_scroll_logs(self, pages: int) -> None:
        """Scroll the logs by pages; more than one means to their start or end."""
        if self._logs is not None:
            self._logs.scroll_pages(pages)

    def action_copy_logs(self) -> None:
        if self._logs is not None:
            self._logs.copy_shown(self.session, self.controller.aim)

    def _palette(self) -> dict[str, str]:
        """Return the theme's colours by name; cached, one lookup for each theme."""
        if self._palette_theme != self.app.theme:
            self._palette_theme, self._palette_cache = self.app.theme, themes.palette(self.app.theme_variables)
        return self._palette_cache

    # Charts

    def _show_charts(self, with_curves: bool, palette: dict[str, str]) -> None:
        histories, beside = list(self.session.histories.values()), self.layout_name == "beside"
        if self._more is not None and self.layout_name == "more":
            if with_curves:
                self._more.show(histories, self.session.machine, self.view, self.x_extent, palette)
            return
        if beside and not with_curves:
            return
        if with_curves:
            extent = self.x_extent
            x_range = self.view.window(extent)
            for name in CURVES:
                if self.layout_name == "difference":
                    series = difference(histories, name, self.view, x_range)
                    shared = difference_axes(series, name, self.view, extent)
                    by_engine = {}
                else:
                    raw = beside and scale_of(histories, name, self.view) != ERROR
                    by_engine = {
                        h.engine: curves(h, name, self.view, x_range, raw=raw, dashed=not beside and h.engine in DASHED)
                        for h in histories
                    }
                    series = [one for engine_series in by_engine.values() for one in engine_series]
                    shared = axes(histories, series, name, self.view, extent)
                if self._overlay is not None and not beside:
                    self._overlay.show_curves(name, series, shared)
                else:
                    for engine, panel in self._panels.items():
                        panel.show_curves(name, by_engine[engine], shared)
        if self._overlay is not None and not beside:
            self._overlay.show_figures(histories, self.view, palette, subtract=self.layout_name == "difference")

    def set_view(self, view: Viewport) -> None:
        """Show the charts with another viewport at once."""
        if view != self.view:
            self.view = view
            self.show_frame(set(self.session.histories), True)

    def set_layout(self, name: str) -> None:
        """Switch to one of LAYOUTS."""
        if name == "more" and self._more is None:
            from tui.widgets.more_charts import MoreCharts

            self._more = MoreCharts(ascii_only=self.ascii_only)
            self.mount(self._more, after="#panels")
        if self._overlay is None:
            self._overlay = Overlay(ascii_only=self.ascii_only)
            self.mount(self._overlay, after="#panels")
        self.layout_name = name
        for layout in LAYOUTS:
            self.set_class(layout == name, f"-{layout}")
        self.set_class(name != "beside", "-together")
        self.set_class(name in LAYOUTS[3:], "-alone")
        self.call_after_refresh(self.show_frame, set(self.session.histories), True)

    @property
    def x_extent(self) -> tuple[float, float]:
        """The range of x that the curves cover."""
        return curves_extent(self.session.histories.values(), self.view)

    def action_overlay(self) -> None:
        self.set_layout("overlaid" if self.layout_name in ("beside", "difference") else "beside")

    def action_difference(self) -> None:
        self.set_layout("beside" if self.layout_name == "difference" else "difference")

    def action_more(self) -> None:
        self.set_layout("beside" if self.layout_name == "more" else "more")

    def action_maximise(self) -> None:
        self.set_layout({"loss": "accuracy", "accuracy": "beside"}.get(self.layout_name, "loss"))

    def action_x_axis(self) -> None:
        self.set_view(self.view.with_next_axis())

    def action_log_scale(self) -> None:
        self.set_view(self.view.with_next_scale())

    def action_smooth(self) -> None:
        self.set_view(self.view.with_next_smoothing())

    def action_zoom(self, notches: int) -> None:
        self.set_view(self.view.zoomed(ZOOM**notches, self.x_extent))

    def action_pan(self, share: float) -> None:
        self.set_view(self.view.panned(share, self.x_extent))

    def action_point(self, columns: int) -> None:
        chart = next((chart for chart in self.query(LineChart) if chart.size.width), None)
        self._cursor_from_mouse = False
        columns_shown = plot_width(*chart.plot_size) if chart else 40
        self.set_view(self.view.cursor_moved(columns, columns_shown, self.x_extent))

    def action_reset_view(self) -> None:
        """Leave the search of the logs or the launcher, or else reset the charts."""
        if self._logs is not None and self._logs.searching:
            self._logs.end_search("")
        elif self._launcher_reopened:
            self._launcher_reopened = False
            self.show_frame(set(self.session.histories), True)
        else:
            self.set_view(self.view.reset())

    @on(LineChart.PointerMoved)
    def _on_pointer_moved(self, event: LineChart.PointerMoved) -> None:
        """Move the cursor of all charts with the mouse; when the mouse leaves, remove only a cursor of its own."""
        if event.x is not None or self._cursor_from_mouse:
            self._cursor_from_mouse = event.x is not None
            self.set_view(self.view._replace(cursor=event.x))

    @on(LineChart.WheelTurned)
    def _on_wheel_turned(self, event: LineChart.WheelTurned) -> None:
        """Zoom around the pointer, or with shift pan."""
        if event.sideways:
            self.set_view(self.view.panned(-0.1 * event.notches, self.x_extent))
        else:
            self.set_view(self.view.zoomed(ZOOM**event.notches, self.x_extent, event.x))
