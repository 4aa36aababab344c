"""Short questions and answers on top of the Train screen: leave?, and help."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from tui.commands import KEY_NAMES, Command

TERMS = (
    ("epoch", "One pass over all training digits. The reference takes 12."),
    ("step", "One batch of 128 digits: forward, backward, update."),
    ("loss", "Cross-entropy: how surprised the network is by the right answers. Lower is better."),
    ("train", "Measured while training, dropout on, over the digits since the last point."),
    ("test", "Measured after each epoch on 10,000 digits that are never trained on, dropout off."),
    (
        "test > train?",
        "Not a mistake. Dropout hampers the network while it trains and is off in the test; and the training figure is a"
        " mean over an epoch in which the network was still worse.",
    ),
    ("dropout", "In training a random quarter (and before the last layer half) of the signals is set to zero."),
    ("img/s", "Training digits per second, evaluations and the first step not counted."),
    ("first step", "Tracing and warming up; not counted in img/s."),
    (
        "interval",
        "In brackets. Another 10,000 digits would probably put the accuracy into this interval: ± 0.2 points is chance.",
    ),
    (
        "tie",
        "The digits that only one of them got right are too few, or too even, to call one better (McNemar's test).",
    ),
    ("smoothed", "The bright curve is a moving average; the faint one behind it is every sample. v changes it."),
    ("● ◆ ◈", "Test points of PyTorch, of Keras, and of both in one place."),
    ("lead", "Seconds ago that the leader stood at the step where the other stands now."),
    ("race", "Both share the machine, so their times are not comparable. --mode time-trial takes turns."),
)


class QuitDialog(ModalScreen[bool]):
    """Asks before a run is lost."""

    AUTO_FOCUS = "#stay"
    """The safe answer."""
    BINDINGS = [
        Binding("y,q,ctrl+c", "answer(True)", "Leave"),
        Binding("n,escape", "answer(False)", "Stay"),
        Binding("left,right", "app.focus_next", show=False),
    ]
    CSS = """
    QuitDialog { align: center middle; background: $background 60%; }
    QuitDialog > Vertical {
        width: 58; max-width: 95%; height: auto;
        border: round $warning; padding: 1 2; background: $surface;
    }
    QuitDialog Horizontal { height: auto; align-horizontal: center; margin-top: 1; }
    QuitDialog Button { margin: 0 1; }
    """

    def compose(self) -> ComposeResult:
        """The question and two buttons."""
        with Vertical():
            yield Static(
                "Training is running. Leaving ends it and keeps a checkpoint; `mnist-tui --resume RUN` goes on from there."
            )
            with Horizontal():
                yield Button("Leave (y)", variant="warning", id="leave")
                yield Button("Stay (n)", variant="primary", id="stay")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A click answers."""
        self.dismiss(event.button.id == "leave")

    def action_answer(self, leave: bool) -> None:
        """A key answers."""
        self.dismiss(leave)


class HelpDialog(ModalScreen[None]):
    """Keys and words, from the table of commands."""

    BINDINGS = [Binding("escape,q,question_mark,f1", "close", "Close")]
    CSS = """
    HelpDialog { align: center middle; background: $background 60%; }
    HelpDialog > VerticalScroll {
        width: 76; max-width: 96%; height: auto; max-height: 92%;
        border: round $primary; padding: 1 2; background: $surface;
    }
    HelpDialog Static { padding-right: 1; }
    """

    def __init__(self, commands: tuple[Command, ...]) -> None:
        super().__init__()
        self._commands = commands

    def compose(self) -> ComposeResult:
        """Two tables."""
        with VerticalScroll():
            yield Static(
                Text("mnist-tui trains one convnet in two frameworks, at once and side by side.\n", style="bold")
            )
            yield Static(_table([(_keys(c.keys), c.help) for c in self._commands if c.help]))
            yield Static(Text("\nThe words on the screen\n", style="bold"))
            yield Static(_table(TERMS))
            yield Static(Text("\nEsc closes. ctrl+p: all commands by name.", style="dim"))

    def action_close(self) -> None:
        """Back to training."""
        self.dismiss()


def _table(rows: tuple[tuple[str, str], ...] | list[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for left, right in rows:
        table.add_row(left, right)
    return table


def _keys(keys: str) -> str:
    return " ".join(KEY_NAMES.get(key, key) for key in keys.split(","))
