"""Small dialogs: a question, a run's name and note, and help."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, ContentSwitcher, Input, Static

from engines.api import ONE_RUN_CAVEAT
from tui import formatting, themes
from tui.commands import Command
from tui.widgets.key_bar import KeyBar

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
    ("start", "Import, building and first step, those of the worker's warm-up included."),
    ("wall", "Time since the run was requested; import and warm-up are in it only if the run waited for them."),
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
    ("race", "Both train at once and share the machine, so their times are not comparable."),
    (
        "time trial",
        "They take turns, each with the machine to itself, so their times are comparable (--mode time-trial).",
    ),
    (
        "parity",
        "Both train the same thing: same first weights, same digits in the same order, same steps. p proves it.",
    ),
    ("seed", "The number that all chance comes from: the first weights, the order of the digits. Same seed, same run."),
    (
        "preset",
        "A named set of hyperparameters: the reference with 12 epochs, a quick one, the best one, each library's defaults.",
    ),
    ("checkpoint", "The network and its optimizer on disk, written after each epoch, from which a run can continue."),
    ("98 % reached", "How long it took until a test accuracy was at least that."),
    (
        "validation",
        "With --validation N, held-out training digits judge the epochs; the test digits are then tested once, at the end.",
    ),
    ("precision", "The bits of a number: fp32 has 32; tf32 and bf16 round, and are faster on a GPU that has them."),
    ("baseline", "The run with which the list of runs compares the others; = on that screen chooses it."),
)


HELP_WIDTH = 46
"""The width in cells of a command's help where the dialog is as wide as it can be."""


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
        yield KeyBar()

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
    BINDINGS = [Binding("enter", "submit", "Save", priority=True), Binding("escape", "cancel", "Cancel")]
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
            yield Static(self._run, markup=False)
            yield Input(self._old_name, placeholder="name", id="name", max_length=60)
            yield Input(self._old_note, placeholder="note", id="note", max_length=200)
        yield KeyBar()

    def action_submit(self) -> None:
        self.dismiss((self.query_one("#name", Input).value.strip(), self.query_one("#note", Input).value.strip()))

    def action_cancel(self) -> None:
        self.dismiss(None)


class HelpDialog(ModalScreen[None]):
    """Two pages: the keys that work here and now, and the words on the screen."""

    AUTO_FOCUS = ""
    BINDINGS = [
        Binding("tab,shift+tab", "other_page", "Other page"),
        Binding("down", "scroll(1)", "Scroll"),
        Binding("up", "scroll(-1)", show=False),
        Binding("pagedown", "scroll(12)", show=False),
        Binding("pageup", "scroll(-12)", show=False),
        Binding("escape,q,question_mark,f1", "close", "Close"),
    ]
    CSS = """
    HelpDialog { align: center middle; background: $background 60%; }
    HelpDialog > ContentSwitcher {
        width: 124; max-width: 100%; height: auto; max-height: 100%;
        border: round $primary; border-title-style: bold; padding: 0 1; background: $surface;
    }
    HelpDialog VerticalScroll { height: auto; max-height: 100%; scrollbar-size-vertical: 1; }
    HelpDialog Horizontal { height: auto; }
    HelpDialog #keys Static { width: 1fr; height: auto; margin-right: 1; }
    """

    def __init__(self, groups: Mapping[str, Sequence[Command]], state: Callable[[Command], bool | None]) -> None:
        """`state` is that of a command as in `check_action`: True, None for grey, False for hidden."""
        super().__init__()
        self._groups, self._state = groups, state

    def compose(self) -> ComposeResult:
        with ContentSwitcher(initial="keys"):
            with VerticalScroll(id="keys", can_focus=False), Horizontal():
                accent = themes.palette(self.app.theme_variables)["$accent"]
                for table in _key_columns(self._groups, self._state, accent):
                    yield Static(table)
            with VerticalScroll(id="words", can_focus=False):
                yield Static(_table(TERMS, 17))
        yield KeyBar()

    def on_mount(self) -> None:
        self._show_titles()

    def on_resize(self) -> None:
        self.call_after_refresh(self.refresh_bindings)

    def _show_titles(self) -> None:
        pages = self.query_one(ContentSwitcher)
        titles = {"keys": "Keys", "words": "Words"}
        shown = (f"[reverse] {title} [/]" if name == pages.current else f" {title} " for name, title in titles.items())
        pages.border_title = f"[@click=screen.other_page]{' '.join(shown)}[/]"
        self.call_after_refresh(self.refresh_bindings)

    @property
    def _page(self) -> VerticalScroll:
        return self.query_one(f"#{self.query_one(ContentSwitcher).current}", VerticalScroll)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Hide the key that scrolls where all is shown."""
        return action != "scroll" or (self.is_mounted and self._page.max_scroll_y > 0)

    def action_other_page(self) -> None:
        pages = self.query_one(ContentSwitcher)
        pages.current = "words" if pages.current == "keys" else "keys"
        self._show_titles()

    def action_scroll(self, lines: int) -> None:
        self._page.scroll_relative(y=lines, animate=False)

    def action_close(self) -> None:
        self.dismiss()


def _key_columns(
    groups: Mapping[str, Sequence[Command]], state: Callable[[Command], bool | None], accent: str
) -> list[Table]:
    """Return two tables of about the same length: the groups, with what is possible first and the rest dim."""
    columns: list[list[tuple[Text, Text]]] = [[], []]
    for title, commands in groups.items():
        rows = []
        for keys, words, possible in sorted(_help_rows(commands, state), key=lambda row: not row[2]):
            rows.append((Text(keys, style="bold" if possible else "dim"), Text(words, style="" if possible else "dim")))
        if rows:
            shorter = min(columns, key=_height)
            shorter += [(Text(), Text())] * bool(shorter) + [(Text(title, style=f"bold {accent}"), Text()), *rows]
    return [_table(rows, 10) for rows in columns]


def _height(rows: Sequence[tuple[Text, Text]]) -> int:
    return sum(1 + len(words) // HELP_WIDTH for _, words in rows)


def _help_rows(commands: Sequence[Command], state: Callable[[Command], bool | None]) -> list[tuple[str, str, bool]]:
    """Return (keys, help, whether it is possible); a command without help is the one before it with other arguments."""
    rows: list[tuple[str, str, bool]] = []
    name = ""
    for command in commands:
        if state(command) is False:
            continue
        if command.help:
            name = command.name
            rows.append((command.key, command.help, bool(state(command))))
        elif command.name == name:
            keys, words, possible = rows[-1]
            if command.key != f"shift+{keys}":  # `words` say what shift does
                rows[-1] = (f"{keys} {command.key.removeprefix('shift+')}", words, possible)
    return rows


def _table(rows: Sequence[tuple[str | Text, str | Text]], left_width: int) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(style="bold", max_width=left_width)
    table.add_column()
    for left, right in rows:
        table.add_row(left, right)
    return table
