"""Small dialogs: a question, a run's name and note, and help."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from engines.api import ONE_RUN_CAVEAT
from tui import formatting
from tui.commands import KEY_NAMES, Command

TERMS = (
    ("epoch", "One pass over all training digits. The reference takes 12."),
    ("step", "One batch of 128 digits: forward, backward, update."),
    ("loss", "Cross-entropy: how surprised the network is by the right answers. Lower is better."),
    (
        "train",
        "Measured while training, with dropout on: the mean over the epoch's digits so far, as Keras' own progress bar has it.",
    ),
    ("test", "Measured after each epoch on 10,000 digits that are never trained on, with dropout off."),
    (
        "test > train?",
        "Not a mistake. Dropout weakens the network in training and is off in the test; and the training figure is a mean"
        " over an epoch in which the network was still worse.",
    ),
    (
        "error scale",
        "From 95 % on, the accuracy axis shows the logarithm of the errors: from 98 to 99 % is as far as from 99 to 99.5 %."
        " y changes the axes of both charts.",
    ),
    ("dropout", "In training, a random quarter of the signals (half before the last layer) is set to zero."),
    ("img/s", "Training digits per second, evaluations and the first step not counted."),
    ("first step", "Tracing and warm-up; not counted in img/s."),
    (
        "95 %: 98.0–98.5",
        "With another 10,000 digits, the accuracy would probably be in this interval: ± 0.2 points is chance.",
    ),
    (
        "tie",
        "The digits that only one network got right are too few, or too evenly shared, to call one better (McNemar's test).",
    ),
    ("ahead (one seed)", f"This network reads better than that one. {ONE_RUN_CAVEAT}"),
    (
        "smoothed",
        "The bright curve is the mean of a twentieth of what is shown, the faint one shows every sample. v changes that.",
    ),
    ("● ◆ ◈", "Test points of PyTorch, of Keras, and of both in one place."),
    ("lead", "How many seconds earlier the leader was at the step where the other is now."),
    ("race", "Both share the machine, so their times are not comparable. --mode time-trial takes turns."),
)


class Question(ModalScreen[bool]):
    """Asks before something is lost."""

    AUTO_FOCUS = "#no"
    """The safe choice has the focus."""
    BINDINGS = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,q,escape", "answer(False)", "No"),
        Binding("left,right", "app.focus_next", show=False),
    ]
    DEFAULT_CSS = """
    Question { align: center middle; background: $background 60%; }
    Question > Vertical {
        width: 58; max-width: 95%; height: auto;
        border: round $warning; padding: 1 2; background: $surface;
    }
    Question Horizontal { height: auto; align-horizontal: center; margin-top: 1; }
    Question Button { margin: 0 1; }
    """

    def __init__(self, question: str, yes: str, no: str = "Cancel") -> None:
        super().__init__()
        self._question, self._yes, self._no = question, yes, no

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(formatting.to_plain_text(self._question), markup=False)
            with Horizontal():
                yield Button(f"{self._yes} (y)", variant="warning", id="yes")
                yield Button(f"{self._no} (n)", variant="primary", id="no")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)


class QuitDialog(Question):
    """Asks before a run is ended; pressing the key again confirms."""

    BINDINGS = [Binding("q,ctrl+c,ctrl+q", "answer(True)", "Yes", show=False)]

    def __init__(self) -> None:
        super().__init__(
            "Training is running. Leaving stops it and keeps a checkpoint; `mnist-tui --resume RUN` continues from there.",
            "Leave",
            "Stay",
        )


class NameDialog(ModalScreen["tuple[str, str] | None"]):
    """Edits the name and the note of a run."""

    AUTO_FOCUS = "#name"
    BINDINGS = [Binding("escape", "cancel", "Cancel")]
    DEFAULT_CSS = """
    NameDialog { align: center middle; background: $background 60%; }
    NameDialog > Vertical {
        width: 64; max-width: 95%; height: auto;
        border: round $primary; padding: 0 1; background: $surface;
    }
    """

    def __init__(self, run: str, name: str, note: str) -> None:
        super().__init__()
        self._run, self._old_name, self._old_note = map(formatting.to_plain_text, (run, name, note))

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static(f"{self._run}: enter saves, esc cancels", markup=False)
            yield Input(self._old_name, placeholder="name", id="name", max_length=60)
            yield Input(self._old_note, placeholder="note", id="note", max_length=200)

    def on_input_submitted(self) -> None:
        self.dismiss((self.query_one("#name", Input).value.strip(), self.query_one("#note", Input).value.strip()))

    def action_cancel(self) -> None:
        self.dismiss(None)


class HelpDialog(ModalScreen[None]):
    """Explains the keys and the words on the screen."""

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
        with VerticalScroll():
            yield Static(
                Text("mnist-tui trains one convnet in two frameworks, at once and side by side.\n", style="bold")
            )
            yield Static(_table([(_keys(c.keys), c.help) for c in self._commands if c.help]))
            yield Static(Text("\nThe words on the screen\n", style="bold"))
            yield Static(_table(TERMS))
            yield Static(Text("\nesc closes · ctrl+p lists all commands by name", style="dim"))

    def action_close(self) -> None:
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
