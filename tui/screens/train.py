"""The Train screen: a pane for each engine, the race, the machine, the logs."""

from __future__ import annotations

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.screen import Screen
from textual.widgets import Footer

from tui.charts.line_chart import Axes, value_range
from tui.session import Replay, Session
from tui.widgets import strips
from tui.widgets.chart import LineChart
from tui.widgets.engine_panel import EnginePanel, Line, curves
from tui.widgets.log_pane import LogPane


class TrainScreen(Screen[None]):
    """Draws the session's histories; owns no state of theirs."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-normal"), (110, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-tiny"), (15, "-short"), (23, "-medium"), (32, "-tall")]
    AUTO_FOCUS = None

    def __init__(self, session: Session | Replay, *, ascii_only: bool = False) -> None:
        super().__init__()
        self.session = session
        self.ascii_only = ascii_only
        self.log_y = False
        self.aim: str | None = None
        self._palette_of = ""
        self._colors: dict[str, str] = {}

    def compose(self) -> ComposeResult:
        """Header, panes, logs, race, machine, footer."""
        yield Line(id="header")
        with Horizontal(id="panels"):
            for engine in self.session.histories:
                yield EnginePanel(engine)
        with Horizontal(id="logs"):
            for engine in self.session.histories:
                yield LogPane(engine)
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
        self.query_one("#logs").display = False
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
            self.query_one("#header", Line).say(strips.header(session.histories, now, session.recorded, palette))
            for panel in self.query(EnginePanel):
                panel.set_class(panel.engine == self.aim, "-aimed")
                panel.turn_of = session.turn_of(panel.engine)
                panel.show_state(session.histories[panel.engine], now, session.machine, palette)
            if with_curves and changed & set(session.histories):
                loss, accuracy = self._axes()
                for panel in self.query(EnginePanel):
                    panel.show_curves(session.histories[panel.engine], loss, accuracy)
            lanes = strips.race(session.histories, now, session.series, width, palette, self.ascii_only)
            for i, lane in enumerate(lanes):
                self.query_one(f"#race-{i}", Line).say(lane)
            self.query_one("#machine", Line).say(
                Text(f" {session.problem}", style="bold") if session.problem else self._machine(width)
            )
            for pane in self.query(LogPane):
                pane.show_log(session.histories[pane.engine])

    def toggle_logs(self) -> None:
        """Show or hide the log panes."""
        logs = self.query_one("#logs")
        logs.display = not logs.display
        self.call_after_refresh(self.show_frame, set(self.session.histories), True)

    def _palette(self) -> dict[str, str]:
        """The theme's colours that lines are written in; looked up once for each theme."""
        if self._palette_of != self.app.theme:
            self._palette_of = self.app.theme
            variables = self.app.theme_variables
            self._colors = {f"${name}": variables[name].removeprefix("ansi_") for name in _COLORS}  # as Rich says it
        return self._colors

    def _machine(self, width: int) -> Text:
        return strips.machine(self.session.machine, width, self.ascii_only)

    def _axes(self) -> tuple[Axes, Axes]:
        """Axes that all panes share, so that the eye compares."""
        axes = []
        for name in ("loss", "accuracy"):
            found = value_range([one for h in self.session.histories.values() for one in curves(h, name)])
            if found is None:
                axes.append(Axes(percent=name == "accuracy"))
                continue
            (_, x_high), (low, high) = found
            y_range = (low if self.log_y else 0.0, high) if name == "loss" else (max(0.0, min(low, 0.9)), 1.0)
            log_y = self.log_y and name == "loss"
            axes.append(Axes((0.0, max(x_high, 1.0)), y_range, log_y=log_y, percent=name == "accuracy"))
        return axes[0], axes[1]


_COLORS = frozenset({"pytorch", "keras", "error", "success", "warning"})
