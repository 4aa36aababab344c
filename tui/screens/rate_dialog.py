"""The dialog that changes the learning rate of a run while it trains."""

from __future__ import annotations

from collections.abc import Mapping

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from engines.api import TITLES
from tui.widgets.key_bar import KeyBar

FACTORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""The factors that the keys step through."""


class RateDialog(ModalScreen["float | None"]):
    """Asks for a factor of the learning rate; dismissed with it, or with None."""

    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("plus,equals_sign,up", "step(1)", "Higher", key_display="+"),
        Binding("minus,down", "step(-1)", "Lower", key_display="-"),
        Binding("enter", "apply", "Apply"),
        Binding("escape,R", "cancel", "Cancel"),
    ]
    DEFAULT_CSS = """
    RateDialog { align: center middle; background: $background 60%; }
    RateDialog > Vertical {
        width: 58; max-width: 95%; height: auto;
        border: round $primary; border-title-style: bold; padding: 0 1; background: $surface;
    }
    """

    def __init__(self, rates: Mapping[str, float]) -> None:
        """`rates` are the present learning rates by engine."""
        super().__init__()
        self.factor = 1.0
        self._rates = rates

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = "Learning rate"
            yield Static(id="rates", markup=False)
        yield KeyBar()

    def on_mount(self) -> None:
        self._show()

    def _show(self) -> None:
        lines = [Text(f"{self.factor:g} times the present rate", style="bold")]
        for engine, rate in self._rates.items():
            lines.append(Text(f"{TITLES.get(engine, engine):8} {rate:.4g} → {rate * self.factor:.4g}"))
        lines.append(
            Text("At the same step in all; a schedule is scaled. The run then counts as changed.", style="dim")
        )
        self.query_one("#rates", Static).update(Text("\n").join(lines))
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable a key that would change nothing."""
        if action == "apply":
            return None if self.factor == 1.0 else True
        if action == "step":
            return None if self.factor == FACTORS[-1 if parameters == (1,) else 0] else True
        return True

    def action_step(self, steps: int) -> None:
        place = FACTORS.index(self.factor) + steps
        self.factor = FACTORS[min(max(place, 0), len(FACTORS) - 1)]
        self._show()

    def action_apply(self) -> None:
        self.dismiss(self.factor)

    def action_cancel(self) -> None:
        self.dismiss(None)
