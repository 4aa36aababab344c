"""The Train screen: a pane for each engine, the race, the machine, the logs."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen

from engines.api import energy_joules, plural
from tui import themes
from tui.charts.braille import plot_width
from tui.charts.viewport import ZOOM, Viewport
from tui.commands import KEYS
from tui.run_controller import RunController
from tui.terminal.clipboard import copy
from tui.widgets import header, machine, race
from tui.widgets.curves import CURVES, axes, curves, x_extent
from tui.widgets.engine_panel import EnginePanel
from tui.widgets.key_bar import KeyBar
from tui.widgets.line_chart import LineChart
from tui.widgets.overlay import Overlay
from tui.widgets.text_line import TextLine

if TYPE_CHECKING:
    from tui.widgets.log_panel import LogPanel

LAYOUTS = ("beside", "overlaid", "loss", "accuracy")
"""A pane of charts for each engine; both engines in one pair; or one of that pair alone on the screen."""


class Panes(Horizontal):
    """The engines' panes. One above the other they are equally high, so that all of them have room for a chart, or none."""

    def on_resize(self) -> None:
        """Leave over the row that would make one of them higher."""
        stacked = self.styles.layout is not None and self.styles.layout.name == "vertical"
        self.styles.padding = (0, 0, self.outer_size.height % (len(self.children) or 1) if stacked else 0, 0)


class TrainScreen(Screen[None]):
    """Draws the session's histories, and who is aimed at; owns no state of theirs."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-normal"), (110, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (15, "-short"), (23, "-medium"), (32, "-tall")]
    AUTO_FOCUS = ""

    def __init__(self, control: RunController, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.control = control
        self.session = control.session
        self.ascii_only = ascii_only
        self.view = Viewport()
        self.layout_name = LAYOUTS[0]
        self._by_mouse = False
        self._palette_of = ""
        self._colors: dict[str, str] = {}
        self._header, self._machine_line = TextLine(id="header"), TextLine(id="machine")
        self._panels = {engine: EnginePanel(engine, ascii_only=ascii_only) for engine in self.session.histories}
        self._lanes = TextLine(id="race")
        self._lanes.styles.height = len(self.session.histories)
        self._overlay: Overlay | None = None
        self._logs: LogPanel | None = None
        """Both are made when they are first asked for: the first paint does not wait for them."""

    def compose(self) -> ComposeResult:
        """Header, panes, race, machine, footer; as this size shows them, or Textual styles all of them once more."""
        for breakpoints, cells in zip(
            (self.HORIZONTAL_BREAKPOINTS, self.VERTICAL_BREAKPOINTS), self.app.size, strict=True
        ):
            self.add_class(max(one for one in breakpoints if one[0] <= cells)[1], update=False)
        yield self._header
        yield Panes(*self._panels.values(), id="panels")
        yield self._lanes
        yield self._machine_line
        yield KeyBar()

    def on_screen_resume(self) -> None:
        """Fill what is about to be laid out before it is painted: else it is painted empty, and then again."""
        held = ExitStack()
        held.enter_context(self.app.batch_update())
        self.call_later(self._fill, held)

    def _fill(self, held: ExitStack) -> None:
        with held:
            self.show_frame(set(self.session.histories), True)

    def on_resize(self) -> None:
        """Lines are cut to the new width."""
        self.call_after_refresh(self.show_frame, set(self.session.histories), True)

    def show_frame(self, changed: set[str], with_curves: bool) -> None:
        """One frame: numbers always, curves of what changed."""
        if not self._header.is_attached:  # not composed yet, or already taken apart
            return
        session, now, palette = self.session, self.session.now(), self._palette()
        width = self.size.width
        with self.app.batch_update():
            self._header.set_text(header.render_header(session, now, width, 1, palette))
            for engine, panel in self._panels.items():
                panel.set_class(engine == self.control.aim, "-aimed")
                panel.waiting_for = session.waiting_for(engine)
                aims = [KEYS["focus_engine"]] * self.control.turns_to(engine)
                panel.kill_keys = "" if session.recorded else " ".join([*aims, KEYS["kill"]])
                history = session.histories[engine]
                energy = energy_joules(history, session.machine, session.histories.values(), now)
                panel.show_state(history, now, session.machine, energy, self.view, palette)
            self._show_charts(with_curves and bool(changed & set(session.histories)), palette)
            lanes = race.render_race(session.histories, now, session.seed_results, width, palette, self.ascii_only)
            self._lanes.set_text(*lanes)
            self._machine_line.set_text(
                Text(f" {session.problem}", style="bold") if session.problem else self._machine(width)
            )
            if self._logs is not None:
                self._logs.show_logs(session.histories)

    # Logs

    @property
    def _logs_shown(self) -> bool:
        return self._logs is not None and bool(self._logs.display)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Logs that are hidden are neither copied nor scrolled."""
        return None if action in ("copy_logs", "scroll_logs") and not self._logs_shown else True

    def action_log(self) -> None:
        """Show or hide the logs."""
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
        """Ask what to find in the logs."""
        if not self._logs_shown:
            self.action_log()
        if self._logs is not None:
            self.call_after_refresh(self._logs.start_search)

    def on_log_panel_search_changed(self, event: LogPanel.SearchChanged) -> None:
        """Lines are found as one types."""
        if self._logs is not None:
            self._logs.find(event.text, self.session.histories)

    def action_scroll_logs(self, pages: int) -> None:
        """Through the logs by pages; by more than one at a time to their beginning or end."""
        if self._logs is not None:
            self._logs.scroll_pages(pages)

    def action_copy_logs(self) -> None:
        """What is shown of the engine that is aimed at, or of all, to the terminal's clipboard, over SSH too (OSC 52)."""
        if self._logs is not None:
            lines = self._logs.visible_lines(self.session.histories, self.control.aim)
            folder = next(filter(None, map(self.session.folder, self.session.histories)), None)
            otherwise = (
                f"The run's are in {folder / 'events.jsonl'}." if folder else "Select them with shift and the mouse."
            )
            copy(self.app, "\n".join(lines), f"The log ({plural(len(lines), 'line')})", otherwise)

    def _palette(self) -> dict[str, str]:
        """The theme's colours that lines are written in; looked up once for each theme."""
        if self._palette_of != self.app.theme:
            self._palette_of, self._colors = self.app.theme, themes.palette(self.app.theme_variables)
        return self._colors

    def _machine(self, width: int) -> Text:
        return machine.render_machine(self.session.machine, width, self.ascii_only)

    # Charts

    def _show_charts(self, with_curves: bool, palette: dict[str, str]) -> None:
        histories, beside = list(self.session.histories.values()), self.layout_name == "beside"
        if beside and not with_curves:
            return
        if with_curves:
            extent = self.whole
            for name in CURVES:
                drawn = {h.engine: curves(h, name, self.view, overlaid=not beside) for h in histories}
                shared = axes([one for its in drawn.values() for one in its], name, self.view, extent)
                if self._overlay is not None and not beside:
                    self._overlay.show_curves(name, [one for its in drawn.values() for one in its], shared)
                else:
                    for engine, panel in self._panels.items():
                        panel.show_curves(name, drawn[engine], shared)
        if self._overlay is not None and not beside:
            self._overlay.show_figures(histories, self.view, palette)

    def look(self, view: Viewport) -> None:
        """Show the charts so, at once."""
        if view != self.view:
            self.view = view
            self.show_frame(set(self.session.histories), True)

    def lay_out(self, name: str) -> None:
        """One of LAYOUTS."""
        if self._overlay is None:
            self._overlay = Overlay(ascii_only=self.ascii_only)
            self.mount(self._overlay, after="#panels")
        self.layout_name = name
        for one in LAYOUTS:
            self.set_class(one == name, f"-{one}")
        self.set_class(name != "beside", "-together")
        self.set_class(name in LAYOUTS[2:], "-alone")
        self.call_after_refresh(self.show_frame, set(self.session.histories), True)

    @property
    def whole(self) -> tuple[float, float]:
        """All of x that there is to see."""
        return x_extent(self.session.histories.values(), self.view)

    def action_overlay(self) -> None:
        """Both in one pair of charts, or a pane each."""
        self.lay_out("overlaid" if self.layout_name == "beside" else "beside")

    def action_maximise(self) -> None:
        """The loss alone, the accuracy alone, all again."""
        self.lay_out({"loss": "accuracy", "accuracy": "beside"}.get(self.layout_name, "loss"))

    def action_x_axis(self) -> None:
        """Steps, epochs or seconds."""
        self.look(self.view.with_next_axis())

    def action_log_scale(self) -> None:
        """Logarithmic or linear loss."""
        self.look(self.view._replace(log_y=not self.view.log_y))

    def action_smooth(self) -> None:
        """Smoother, then raw again."""
        self.look(self.view.with_next_smoothing())
        self.notify(f"Smoothing {self.view.smoothing:g}" if self.view.smoothing else "Not smoothed", timeout=1.5)

    def action_zoom(self, notches: int) -> None:
        """Closer, or further away."""
        self.look(self.view.zoomed(ZOOM**notches, self.whole))

    def action_pan(self, share: float) -> None:
        """Along the runs."""
        self.look(self.view.panned(share, self.whole))

    def action_point(self, columns: int) -> None:
        """Move the cursor by so many columns."""
        chart = next((chart for chart in self.query(LineChart) if chart.size.width), None)
        self._by_mouse = False
        columns_shown = plot_width(*chart.plot_size) if chart else 40
        self.look(self.view.cursor_moved(columns, columns_shown, self.whole))

    def action_reset_view(self) -> None:
        """Out of the search; else everything in sight."""
        if self._logs is not None and self._logs.searching:
            self._logs.end_search("")
        else:
            self.look(self.view.reset())

    def on_line_chart_pointer_moved(self, event: LineChart.PointerMoved) -> None:
        """The mouse moves the cursor of all charts, and takes away only the one that it brought."""
        if event.x is not None or self._by_mouse:
            self._by_mouse = event.x is not None
            self.look(self.view._replace(cursor=event.x))

    def on_line_chart_wheel_turned(self, event: LineChart.WheelTurned) -> None:
        """The wheel zooms around the pointer; with shift it moves along."""
        if event.sideways:
            self.look(self.view.panned(-0.1 * event.notches, self.whole))
        else:
            self.look(self.view.zoomed(ZOOM**event.notches, self.whole, event.x))
