"""Every command of the app, declared once: the key, the footer, the palette and the help screen all read this table."""

from __future__ import annotations

from textual.binding import Binding

from engines.api import Record

KEY_NAMES = {
    "question_mark": "?", "K": "shift+k", "X": "shift+x", "L": "shift+l", "slash": "/", "N": "shift+n",
    "P": "shift+p", "up": "↑", "down": "↓", "left_square_bracket": "[", "right_square_bracket": "]", "backspace": "bksp",
    "comma": ",", "full_stop": ".", "less_than_sign": "<", "greater_than_sign": ">",
    "plus": "+", "equals_sign": "=", "minus": "-", "left": "←", "right": "→", "shift+left": "shift+←", "shift+right": "shift+→",
}  # fmt: skip
"""Keys that are called something else than Textual calls them."""


class Command(Record, kw_only=False):
    """Something the user can ask for; `action_<name>` of its target does it."""

    name: str
    keys: str
    title: str
    """For the footer and the palette."""
    help: str
    footer: bool = True
    arguments: tuple[float, ...] = ()
    """What `action_<name>` is given."""
    target: str = "app"
    """"app", or "screen" for what only that screen shows."""
    priority: bool = False
    """Before whatever has the focus, and before a dialog's own keys."""

    @property
    def action(self) -> str:
        """The command as Textual calls it."""
        return f"{self.target}.{self.name}({', '.join(map(repr, self.arguments))})"

    @property
    def key(self) -> str:
        """Its first key, as people call it."""
        first = self.keys.partition(",")[0]
        return KEY_NAMES.get(first, first)

    @property
    def binding(self) -> Binding:
        """The command as Textual binds it."""
        return Binding(
            self.keys,
            self.action,
            self.title,
            show=self.footer,
            tooltip=self.help,
            key_display=self.key,
            priority=self.priority,
        )


COMMANDS = (
    Command("help", "question_mark,f1", "Help", "This page."),
    Command("start", "s,enter", "Start", "Train, with the settings as they are."),
    Command("pause", "space,P", "Pause", "Pause every run after its step, or go on; a recording, too."),
    Command("seek", "comma", "Back", "A recording: five seconds back.", True, (-5.0,)),
    Command("seek", "full_stop", "On", "A recording: five seconds on.", True, (5.0,)),
    Command(
        "seek_epoch", "left_square_bracket", "Epoch before", "A recording: to where an epoch begins.", False, (-1,)
    ),
    Command("seek_epoch", "right_square_bracket", "Next epoch", "A recording: to where the next begins.", False, (1,)),
    Command("hurry", "greater_than_sign", "Faster", "A recording: 2, 5, 10, 30, 100 times as fast.", True, (1,)),
    Command("hurry", "less_than_sign", "Slower", "A recording: slower again.", False, (-1,)),
    Command("stop", "x", "Stop", "Finish the step, evaluate, keep the results."),
    Command("kill", "K", "Kill", "End the workers now, whatever they are doing.", footer=False),
    Command(
        "restart", "r", "Restart", "Start what failed, was killed or has ended, with the settings as they are.", False
    ),
    Command("resume", "c", "Continue", "Go on from the last checkpoint of what was stopped, killed or has failed."),
    Command(
        "save", "w", "Save", "Write a checkpoint now; one is written after each epoch and at a stop.", footer=False
    ),
    Command("settings", "e", "Settings", "Framework, device, preset, epochs and the rest."),
    Command("parity", "p", "Proof", "Prove that both frameworks train the same thing: same weights, same steps."),
    Command("log", "l", "Log", "What each framework's process printed.", target="screen"),
    Command(
        "find",
        "slash",
        "Find",
        "Search the logs as you type; esc shows all lines again.",
        footer=False,
        target="screen",
    ),
    Command(
        "copy_logs", "L", "Copy log", "Copy the log to your clipboard, over SSH too.", footer=False, target="screen"
    ),
    Command("scroll_logs", "pageup", "Log up", "Scroll the logs; they stop following.", False, (-1,), target="screen"),
    Command("scroll_logs", "pagedown", "Log down", "Scroll the logs.", False, (1,), target="screen"),
    Command("scroll_logs", "end", "Log end", "Follow the newest lines again.", False, (9,), target="screen"),
    Command("overlay", "o", "Overlay", "Both frameworks in one pair of charts, or a pane each.", target="screen"),
    Command(
        "maximise",
        "m",
        "Maximise",
        "One chart alone: the loss, then the accuracy, then all again.",
        footer=False,
        target="screen",
    ),
    Command("x_axis", "X", "X axis", "Steps, epochs, or seconds since the start.", footer=False, target="screen"),
    Command("log_scale", "y", "Log y", "The loss on a logarithmic axis, or back.", footer=False, target="screen"),
    Command(
        "smooth",
        "v",
        "Smooth",
        "Smooth the curves more, or not; the raw samples stay faintly there.",
        footer=False,
        target="screen",
    ),
    Command(
        "point",
        "left",
        "Charts: cursor left",
        "Read values further left, in all charts; the mouse does too.",
        False,
        (-1,),
        target="screen",
    ),
    Command("point", "right", "Charts: cursor right", "Read values further right.", False, (1,), target="screen"),
    Command(
        "zoom",
        "plus,equals_sign",
        "Charts: zoom in",
        "Closer, around the cursor; the mouse wheel does too.",
        False,
        (1,),
        target="screen",
    ),
    Command("zoom", "minus", "Charts: zoom out", "Further away.", False, (-1,), target="screen"),
    Command(
        "pan",
        "shift+left",
        "Charts: earlier",
        "Move along what is zoomed; shift and the wheel do too.",
        False,
        (-0.25,),
        target="screen",
    ),
    Command(
        "pan",
        "shift+right",
        "Charts: later",
        "At the end, the charts follow the newest step again.",
        False,
        (0.25,),
        target="screen",
    ),
    Command(
        "reset_view",
        "0,escape",
        "Charts: everything in sight",
        "Everything in sight, no cursor.",
        footer=False,
        target="screen",
    ),
    Command(
        "focus_engine",
        "a",
        "Aim",
        "Aim pause, stop, kill and restart at one framework; again for both.",
        footer=False,
    ),
    Command(
        "theme",
        "t",
        "Theme",
        "Dark, light, clear for every colour vision, or your terminal's own colours.",
        footer=False,
    ),
    Command("show_screen", "1", "Train", "Both frameworks while they train.", False, (1,)),
    Command("show_screen", "2", "Code", "The code that runs, both engines side by side.", False, (2,)),
    Command("show_screen", "3", "Draw", "Draw a digit, and both frameworks read it.", False, (3,)),
    Command("show_screen", "4", "Results", "Who won, with everything that was measured.", False, (4,)),
    Command("show_screen", "5", "Runs", "Every run is kept: compare, play, name, continue.", False, (5,)),
    Command("suspend_process", "ctrl+z", "Suspend", "To your shell; fg comes back. Training soon waits.", footer=False),
    Command("quit", "q", "Quit", "Leave; asks first while something trains."),
    Command(
        "repaint",
        "ctrl+l",
        "Repaint",
        "Paint the whole screen again, when something else has written on it.",
        False,
        priority=True,
    ),
    # What has priority comes first in the last line, which says the shorter key: q.
    Command("quit", "ctrl+c,ctrl+q", "Quit from here", "The same from a field or a dialog.", priority=True),
)
"""Everywhere, and of the Train screen what has `target` "screen"."""

KEYS = {command.name: command.key for command in reversed(COMMANDS)}
"""The key by which each is known."""

CODE = (
    Command("next_code", "tab", "Switch", "PyTorch's code alone, Keras' alone, or both beside each other.", target="screen"),
    Command("next_code", "shift+tab", "Switch back", "", False, (-1,), target="screen"),
    Command("scroll_code", "down", "Scroll", "Both columns together; the mouse wheel does too.", True, (0.1,), target="screen"),
    Command("scroll_code", "up", "Scroll up", "", False, (-0.1,), target="screen"),
    Command("scroll_code", "pagedown", "Page down", "By pages.", False, (0.9,), target="screen"),
    Command("scroll_code", "pageup", "Page up", "", False, (-0.9,), target="screen"),
    Command("section", "n", "Section", "The next section: Data, Model, Train and so on.", True, (1,), target="screen"),
    Command("section", "N", "Section before", "", False, (-1,), target="screen"),
    Command("follow", "f", "Follow", "Keep what runs now in sight, or stay.", target="screen"),
    Command("hyperparameters", "h", "Hyperparameters", "Every value in both libraries, hidden defaults too.", target="screen"),
)  # fmt: skip

DRAW = (
    Command("pen", "space", "Pen", "Put the pen down, or lift it. Dragging the mouse draws, too.", target="screen"),
    Command("eraser", "e", "Eraser", "Erase instead of drawing, or draw again; so does the right mouse button.", target="screen"),
    Command("undo", "u", "Undo", "Take back the last stroke.", target="screen"),
    Command("clear", "backspace,delete", "Clear", "A blank sheet.", target="screen"),
    Command("test_digit", "d", "Test digit", "One of the test digits, by chance.", target="screen"),
    Command("next_mistake", "n", "Mistake", "The next test digit that the last evaluation got wrong.", target="screen"),
    Command("move", "left", "Left", "Move the pen, drawing when it is down.", False, (-1, 0), target="screen"),
    Command("move", "right", "Right", "", False, (1, 0), target="screen"),
    Command("move", "up", "Up", "", False, (0, -1), target="screen"),
    Command("move", "down", "Down", "", False, (0, 1), target="screen"),
    Command("move", "home", "Up left", "Along the diagonals.", False, (-1, -1), target="screen"),
    Command("move", "pageup", "Up right", "", False, (1, -1), target="screen"),
    Command("move", "end", "Down left", "", False, (-1, 1), target="screen"),
    Command("move", "pagedown", "Down right", "", False, (1, 1), target="screen"),
)  # fmt: skip

RESULTS = (
    Command("next_view", "tab", "Next", "The card, the confusions, the mistakes, the filters.", target="screen"),
    Command("next_view", "shift+tab", "Previous", "", False, (-1,), target="screen"),
    Command("mistakes_of", "g", "Whose", "Mistakes of both, of PyTorch alone, of Keras alone.", target="screen"),
    Command("mistake", "right", "Next digit", "", False, (1,), target="screen"),
    Command("mistake", "left", "Digit", "From mistake to mistake.", True, (-1,), target="screen"),
    Command("run", "left_square_bracket", "Older run", "The results of the kept run before.", True, (1,), target="screen"),
    Command("run", "right_square_bracket", "Newer run", "Back towards the present run.", False, (-1,), target="screen"),
    Command("scroll", "down,pagedown", "Scroll down", "", False, (0.5,), target="screen"),
    Command("scroll", "up,pageup", "Scroll up", "Where a view is longer than the screen.", False, (-0.5,), target="screen"),
    Command("copy", "y", "Copy", "The card as Markdown to your clipboard, over SSH too.", target="screen"),
    Command("export", "f", "Files", "The card as Markdown, HTML and SVG into the run's folder.", target="screen"),
)  # fmt: skip

RUNS = (
    Command("open", "enter", "Open", "The results of the run at the cursor.", target="screen"),
    Command("play", "p", "Play", "See it again, as if it were live.", target="screen"),
    Command("mark", "space", "Mark", "Its curves beneath the list, up to six runs together.", target="screen"),
    Command("overlay", "o", "Curves", "Curves beneath the list, or the list alone.", target="screen"),
    Command("find", "slash", "Filter", "Words such as preset:best acc>99 state:interrupted choose runs.", target="screen"),
    Command("sort", "tab", "Sort", "By time, accuracy, seconds, name.", target="screen"),
    Command("go_on_with", "c", "Continue", "Go on with it from its last checkpoint.", target="screen"),
    Command("name_run", "e", "Name", "A name and a note.", target="screen"),
    Command("baseline", "b", "Baseline", "Others are shown against its accuracy; again to take it back.", False, target="screen"),
    Command("export", "f", "Files", "All forms that can be written here, into the run's folder.", False, target="screen"),
    Command("delete", "d,delete", "Delete", "Into the trash, after a question.", target="screen"),
    Command("all", "escape", "All", "No filter, no marks.", False, target="screen"),
)  # fmt: skip

SCREENS: dict[str, tuple[Command, ...]] = {"train": (), "code": CODE, "draw": DRAW, "results": RESULTS, "runs": RUNS}
"""The app's screens in the order of their keys, with what only they do."""


def commands_of(screen: str) -> tuple[Command, ...]:
    """What can be asked for while that screen is shown, its own first."""
    everywhere = [command for command in COMMANDS if command.target == "app" or screen == "train"]
    taken = {key for own in SCREENS[screen] for key in own.keys.split(",")}
    return (*SCREENS[screen], *(one for one in everywhere if not set(one.keys.split(",")) <= taken))
