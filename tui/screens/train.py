"""The Train screen: a pane for each engine, the race, the machine, the logs."""

from __future__ import annotations

from dataclasses import replace

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Footer, Input

from tui.charts.line_chart import plot_width
from tui.charts.view import ZOOM, View
from tui.replay import Replay
from tui.session import Session
from tui.widgets import strips
from tui.widgets.chart import LineChart
from tui.widgets.curves import axes, curves, whole
from tui.widgets.engine_panel import EnginePanel
from tui.widgets.line import Line
from tui.widgets.log_pane import LogPane
from tui.widgets.overlay import Overlay

LAYOUTS = ("beside", "overlaid", "loss", "accuracy")
"""A pane of charts for each engine; both engines in one pair; or one of that pair alone on the screen."""


class TrainScreen(Screen[None]):
    """Draws the session's histories; owns no state of theirs."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-normal"), (110, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (15, "-short"), (23, "-medium"), (32, "-tall")]
    AUTO_FOCUS = ""

    def __init__(self, session: Session | Replay, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.session = session
        self.ascii_only = ascii_only
        self.view = View()
        self.layout_name = LAYOUTS[0]
        self._by_mouse = False
        self.aim: str | None = None
        self._palette_of = ""
        self._colors: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """Header, panes, logs, race, machine, footer."""
        yield Line(id="header")
        with Horizontal(id="panels"):
            for engine in self.session.histories:
                yield EnginePanel(engine)
        yield Overlay(id="overlay")
        with Horizontal(id="logs"):
            for engine in self.session.histories:
                yield LogPane(engine)
        yield Input(placeholder="find in the logs · enter keeps it · esc shows all lines", id="find", compact=True)
        for i in range(len(self.session.histories)):
            yield Line(id=f"race-{i}", classes="race")
        yield Line(id="machine")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Draw the first frame before anything has happened."""
        for panel in self.query(EnginePanel):
            panel.ascii_only = self.ascii_only
        for chart in self.query(LineChart):
            chart.ascii_only = self.ascii_only
        self.query_one("#logs").display = self.query_one("#find").display = False
        self.call_after_refresh(self.show_frame, set(self.session.histories), True)

    def on_resize(self) -> None:
        """Lines are cut to the new width."""
        self.call_after_refresh(self.show_frame, set(self.session.histories), True)

    def show_frame(self, changed: set[str], with_curves: bool) -> None:
        """One frame: numbers always, curves of what changed, nothing while another screen hides this one."""
        if not self.query("#header"):  # not composed yet, or already taken apart
            return
        session, now, palette = self.session, self.session.now(), self._palette()
        width = self.size.width
        with self.app.batch_update():
            self.query_one("#header", Line).say(strips.header(session, now, width, 1, palette))
            for panel in self.query(EnginePanel):
                panel.set_class(panel.engine == self.aim, "-aimed")
                panel.turn_of = session.turn_of(panel.engine)
                panel.show_state(session.histories[panel.engine], now, session.machine, self.view, palette)
            self._show_charts(with_curves and bool(changed & set(session.histories)), palette)
            lanes = strips.race(session.histories, now, session.series, width, palette, self.ascii_only)
            for i, lane in enumerate(lanes):
                self.query_one(f"#race-{i}", Line).say(lane)
            self.query_one("#machine", Line).say(
                Text(f" {session.problem}", style="bold") if session.problem else self._machine(width)
            )
            for pane in self.query(LogPane):
                pane.show_log(session.histories[pane.engine])

    # Logs

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Logs that are hidden are neither copied nor scrolled."""
        return None if action in ("copy_logs", "scroll_logs") and not self.query_one("#logs").display else True

    def action_log(self) -> None:
        """Show or hide the logs."""
        logs = self.query_one("#logs")
        logs.display = not logs.display
        if not logs.display:
            self._end_search("")
        self.call_after_refresh(self.show_frame, set(self.session.histories), True)

    def action_find(self) -> None:
        """Ask what to find in the logs."""
        if not self.query_one("#logs").display:
            self.action_log()
        find = self.query_one("#find", Input)
        find.display = True
        find.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Lines are found as one types."""
        self._find(event.value)

    def on_input_submitted(self) -> None:
        """What was found stays."""
        self._end_search(None)

    def _find(self, text: str) -> None:
        for pane in self.query(LogPane):
            pane.find(text, self.session.histories[pane.engine])

    def _end_search(self, text: str | None) -> None:
        find = self.query_one("#find", Input)
        if text is not None and find.value != text:
            find.value = text
        find.display = bool(find.value)
        self.set_focus(None)

    def action_scroll_logs(self, pages: int) -> None:
        """Through the logs by pages; by more than one at a time to their beginning or end."""
        for pane in self.query(LogPane):
            if abs(pages) > 1:
                (pane.scroll_end if pages > 0 else pane.scroll_home)(animate=False)
            else:
                (pane.scroll_page_down if pages > 0 else pane.scroll_page_up)(animate=False)

    def action_copy_logs(self) -> None:
        """What is shown of the engine that is aimed at, or of all, to the terminal's clipboard, over SSH too (OSC 52)."""
        panes = [pane for pane in self.query(LogPane) if self.aim in (None, pane.engine)]
        lines = [line for pane in panes for line in pane.lines_of(self.session.histories[pane.engine])]
        self.app.copy_to_clipboard("\n".join(lines))
        self.notify(f"{len(lines):,} lines of log copied.", timeout=2)

    def _palette(self) -> dict[str, str]:
        """The theme's colours that lines are written in; looked up once for each theme."""
        if self._palette_of != self.app.theme:
            self._palette_of = self.app.theme
            variables = self.app.theme_variables
            self._colors = {f"${name}": variables[name].removeprefix("ansi_") for name in _COLORS}  # as Rich says it
        return self._colors

    def _machine(self, width: int) -> Text:
        return strips.machine(self.session.machine, width, self.ascii_only)

    # Charts

    def _show_charts(self, with_curves: bool, palette: dict[str, str]) -> None:
        histories, beside = list(self.session.histories.values()), self.layout_name == "beside"
        if beside and not with_curves:
            return
        if with_curves:
            extent = self.whole
            for name in ("loss", "accuracy"):
                drawn = {h.engine: curves(h, name, self.view, overlaid=not beside) for h in histories}
                shared = axes([one for its in drawn.values() for one in its], name, self.view, extent)
                if beside:
                    for panel in self.query(EnginePanel):
                        panel.show_curves(name, drawn[panel.engine], shared)
                else:
                    self.query_one(Overlay).show_curves(name, [one for its in drawn.values() for one in its], shared)
        if not beside:
            self.query_one(Overlay).show_figures(histories, self.view, palette, self.ascii_only)

    def look(self, view: View) -> None:
        """Show the charts so, at once."""
        if view != self.view:
            self.view = view
            self.show_frame(set(self.session.histories), True)

    def lay_out(self, name: str) -> None:
        """One of LAYOUTS."""
        self.layout_name = name
        for one in LAYOUTS:
            self.set_class(one == name, f"-{one}")
        self.set_class(name != "beside", "-together")
        self.set_class(name in LAYOUTS[2:], "-alone")
        self.call_after_refresh(self.show_frame, set(self.session.histories), True)

    @property
    def whole(self) -> tuple[float, float]:
        """All of x that there is to see."""
        return whole(self.session.histories.values(), self.view)

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
        self.look(replace(self.view, log_y=not self.view.log_y))

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
        columns_shown = plot_width(*chart.size) if chart else 40
        self.look(self.view.pointed(columns, columns_shown, self.whole))

    def action_reset_view(self) -> None:
        """Out of the search; else everything in sight."""
        if self.query_one("#find", Input).has_focus:
            self._end_search("")
        else:
            self.look(self.view.reset())

    def on_line_chart_pointed(self, event: LineChart.Pointed) -> None:
        """The mouse moves the cursor of all charts, and takes away only the one that it brought."""
        if event.x is not None or self._by_mouse:
            self._by_mouse = event.x is not None
            self.look(replace(self.view, cursor=event.x))

    def on_line_chart_wheeled(self, event: LineChart.Wheeled) -> None:
        """The wheel zooms around the pointer; with shift it moves along."""
        if event.sideways:
            self.look(self.view.panned(-0.1 * event.notches, self.whole))
        else:
            self.look(self.view.zoomed(ZOOM**event.notches, self.whole, event.x))


_COLORS = frozenset({"pytorch", "keras", "error", "success", "warning"})
