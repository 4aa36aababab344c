"""Every command and every screen of the app, declared once: bindings, tabs, key bar, palette and help read these tables."""

from __future__ import annotations

from textual.binding import Binding

from engines.api import Record

KEY_NAMES = {
    "question_mark": "?", "K": "shift+k", "X": "shift+x", "L": "shift+l", "O": "shift+o", "M": "shift+m", "slash": "/",
    "N": "shift+n", "C": "shift+c", "F": "shift+f", "D": "shift+d", "B": "shift+b",
    "P": "shift+p", "up": "↑", "down": "↓", "left_square_bracket": "[", "right_square_bracket": "]", "backspace": "bksp",
    "comma": ",", "full_stop": ".", "less_than_sign": "<", "greater_than_sign": ">",
    "plus": "+", "equals_sign": "=", "minus": "-", "left": "←", "right": "→", "shift+left": "shift+←", "shift+right": "shift+→",
}  # fmt: skip
"""The display names of keys that Textual names differently."""


class Command(Record, kw_only=False):
    """A command of the user; the method `action_<name>` of its target runs it."""

    name: str
    keys: str
    """The keys that run it, separated by commas, as Textual names them."""
    title: str
    """The short name in the key bar and the palette."""
    help: str
    footer: bool = True
    """True to show it in the key bar."""
    arguments: tuple[float, ...] = ()
    """The arguments for `action_<name>`."""
    target: str = "app"
    """"app", or "screen" for a command that only one screen has."""
    priority: bool = False
    """True to handle its keys before the focused widget or a dialog does."""

    @property
    def action(self) -> str:
        """The action string for Textual."""
        return f"{self.target}.{self.name}({', '.join(map(repr, self.arguments))})"

    @property
    def key(self) -> str:
        """The display name of the first key."""
        first = self.keys.partition(",")[0]
        return KEY_NAMES.get(first, first)

    @property
    def binding(self) -> Binding:
        """The binding for Textual."""
        return Binding(
            self.keys,
            self.action,
            self.title,
            show=self.footer,
            tooltip=self.help,
            key_display=self.key,
            priority=self.priority,
        )


class ScreenEntry(Record, kw_only=False):
    """A screen of the app, and the commands that only it has."""

    number: int
    """The key that opens it."""
    name: str
    help: str
    commands: tuple[Command, ...] = ()

    @property
    def title(self) -> str:
        """The title of the tab."""
        return self.name.capitalize()


CODE = (
    Command("next_code", "tab", "Switch", "PyTorch's code, Keras' code, or both side by side.", target="screen"),
    Command("next_code", "shift+tab", "Switch back", "", False, (-1,), "screen"),
    Command("scroll_code", "down", "Scroll", "Scroll both columns; the mouse wheel does too.", False, (0.1,), "screen"),
    Command("scroll_code", "up", "Scroll up", "", False, (-0.1,), "screen"),
    Command("scroll_code", "pagedown", "Page down", "Scroll by pages.", False, (0.9,), "screen"),
    Command("scroll_code", "pageup", "Page up", "", False, (-0.9,), "screen"),
    Command("section", "n", "Section", "The next section: Data, Model, Train and so on.", True, (1,), "screen"),
    Command("section", "N", "Previous section", "", False, (-1,), "screen"),
    Command("follow", "f", "Follow", "Scroll along with the code that runs, or stay here.", target="screen"),
    Command("hyperparameters", "h", "Hyperparameters", "Every value in both libraries, hidden defaults too.", target="screen"),
    Command("fold", "C", "Comments", "Hide docstrings and comments, or show them again.", target="screen"),
)  # fmt: skip

DRAW = (
    Command("pen", "space", "Pen", "Put the pen down, or lift it. Dragging the mouse draws, too.", target="screen"),
    Command("eraser", "e", "Eraser", "Erase, or draw again; the right mouse button erases, too.", target="screen"),
    Command("undo", "u", "Undo", "Undo the last stroke.", target="screen"),
    Command("clear", "backspace,delete", "Clear", "Clear the drawing.", target="screen"),
    Command("test_digit", "d", "Test digit", "Show a random test digit.", target="screen"),
    Command("next_mistake", "n", "Mistake", "The next test digit that the last evaluation got wrong.", target="screen"),
    Command("move", "left", "Left", "Move the pen; it draws while it is down.", False, (-1, 0), "screen"),
    Command("move", "right", "Right", "", False, (1, 0), "screen"),
    Command("move", "up", "Up", "", False, (0, -1), "screen"),
    Command("move", "down", "Down", "", False, (0, 1), "screen"),
    Command("move", "home", "Up left", "Move diagonally.", False, (-1, -1), "screen"),
    Command("move", "pageup", "Up right", "", False, (1, -1), "screen"),
    Command("move", "end", "Down left", "", False, (-1, 1), "screen"),
    Command("move", "pagedown", "Down right", "", False, (1, 1), "screen"),
)  # fmt: skip

RESULTS = (
    Command("open", "enter", "Open", "Open the chosen seed, or the mistakes of the chosen cell of a matrix.", target="screen"),
    Command("next_view", "tab", "Next",
        "The series of seeds, the card, the confusion matrices, the mistakes, the filters.", target="screen"),
    Command("next_view", "shift+tab", "Previous", "", False, (-1,), "screen"),
    Command("mistakes_of", "g", "Whose", "Mistakes of both, of PyTorch alone, of Keras alone.", target="screen"),
    Command("move", "left", "Choose", "Choose a mistake, a seed or a cell; scroll the card.", True, (-1, 0), "screen"),
    Command("move", "right", "Right", "", False, (1, 0), "screen"),
    Command("move", "up", "Up", "", False, (0, -1), "screen"),
    Command("move", "down", "Down", "", False, (0, 1), "screen"),
    Command("run", "left_square_bracket", "Older run", "The results of the previous kept run.", True, (1,), "screen"),
    Command("run", "right_square_bracket", "Newer run", "Back towards the current run.", False, (-1,), "screen"),
    Command("scroll", "pagedown", "Scroll down", "", False, (0.9,), "screen"),
    Command("scroll", "pageup", "Scroll up", "Scroll a view that is longer than the screen.", False, (-0.9,), "screen"),
    Command("copy", "y", "Copy", "Copy the card or the seeds as Markdown to your clipboard, over SSH too.", target="screen"),
    Command("export", "f", "Files", "Write the card as Markdown, HTML and SVG to the run's folder.", target="screen"),
)  # fmt: skip

RUNS = (
    Command("open", "enter", "Open", "Show the results of the selected run.", target="screen"),
    Command("play", "p", "Play", "Replay it as if it were live.", target="screen"),
    Command("mark", "space", "Mark", "Show its curves below the list, up to six runs together.", target="screen"),
    Command("overlay", "o", "Curves", "Show or hide the curves below the list.", target="screen"),
    Command("find", "slash", "Filter", "Filter by words such as preset:best acc>99 state:interrupted.", target="screen"),
    Command("sort", "tab", "Sort", "Sort by time, accuracy, seconds or name.", target="screen"),
    Command("continue_run", "c", "Continue", "Continue it from its last checkpoint.", target="screen"),
    Command("name_run", "e", "Name", "Edit its name and its note.", target="screen"),
    Command("baseline", "b", "Baseline", "Compare the other runs with its accuracy; again to undo.", False, target="screen"),
    Command("export", "f", "Files", "Write every available format to the run's folder.", False, target="screen"),
    Command("delete", "d,delete", "Delete", "Move it to the trash; asks first.", target="screen"),
    Command("all", "escape", "All", "Clear the filter and the marks.", False, target="screen"),
)  # fmt: skip

SCREENS = {
    entry.name: entry
    for entry in (
        ScreenEntry(1, "train", "Both frameworks while they train."),
        ScreenEntry(2, "code", "The code that runs, both engines side by side.", CODE),
        ScreenEntry(3, "draw", "Draw a digit, and both frameworks read it.", DRAW),
        ScreenEntry(4, "results", "Who won, with every measurement.", RESULTS),
        ScreenEntry(5, "runs", "Every kept run: compare, play, name, continue.", RUNS),
    )
}
"""The screens by name, in the order of their keys."""

COMMANDS = (
    Command("help", "question_mark,f1", "Help", "This page."),
    Command("start", "s,enter", "Start", "Start training with the current settings."),
    Command("pause", "space,P", "Pause", "Pause after the current step, or resume; a recording, too."),
    Command("seek", "comma", "Back", "Recording: five seconds back.", True, (-5.0,)),
    Command("seek", "full_stop", "Ahead", "Recording: five seconds ahead.", True, (5.0,)),
    Command("seek_epoch", "left_square_bracket", "Previous epoch", "Recording: back to the start of an epoch.", False, (-1,)),
    Command("seek_epoch", "right_square_bracket", "Next epoch", "Recording: to the start of the next epoch.", False, (1,)),
    Command("change_speed", "greater_than_sign", "Faster", "Recording: 2, 5, 10, 30, 100 times as fast.", True, (1,)),
    Command("change_speed", "less_than_sign", "Slower", "Recording: slower again.", False, (-1,)),
    Command("stop", "x", "Stop", "Finish the step, evaluate, and keep the results."),
    Command("kill", "K", "Kill", "Stop at once; progress since the last checkpoint is lost.", False),
    Command("restart", "r", "Restart", "Start what failed, was killed or has ended again, with the current settings.", False),
    Command("resume", "c", "Continue", "Continue from the last checkpoint after a stop, a kill or a failure."),
    Command("save", "w", "Save", "Write a checkpoint now; one is written after each epoch and at a stop.", False),
    Command("framework", "f", "Framework", "Choose both frameworks, PyTorch, or Keras; shift goes back.", False, (1,), "screen"),
    Command("framework", "F", "Framework before", "", False, (-1,), "screen"),
    Command("device", "d", "Device", "Choose the next device that can be used; shift goes back.", False, (1,), "screen"),
    Command("device", "D", "Device before", "", False, (-1,), "screen"),
    Command("preset", "b", "Preset", "Choose the next preset; shift goes back.", False, (1,), "screen"),
    Command("preset", "B", "Preset before", "", False, (-1,), "screen"),
    Command("settings", "e", "Settings", "Framework, device, preset, epochs and the rest."),
    Command("parity", "p", "Proof", "Prove that both frameworks train the same thing: same weights, same steps."),
    Command("log", "l", "Log", "What each framework's process printed.", target="screen"),
    Command("find", "slash", "Find", "Search the logs as you type; esc shows all lines again.", False, target="screen"),
    Command("copy_logs", "L", "Copy log", "Copy the log to your clipboard, over SSH too.", False, target="screen"),
    Command("scroll_logs", "pageup", "Log up", "Scroll the logs; they stop following.", False, (-1,), "screen"),
    Command("scroll_logs", "pagedown", "Log down", "Scroll the logs.", False, (1,), "screen"),
    Command("scroll_logs", "end", "Log end", "Follow the newest lines again.", False, (9,), "screen"),
    Command("overlay", "o", "Overlay", "Both frameworks in one pair of charts, or a pane each.", target="screen"),
    Command("difference", "O", "Difference", "The difference between the frameworks' curves, around 0.", False, target="screen"),
    Command("maximise", "m", "Maximise", "One chart alone: the loss, then the accuracy, then all again.", False, target="screen"),
    Command("more", "M", "More charts", "Learning rate, img/s, CPU, memory and GPU, with the same cursor.", False, target="screen"),
    Command("x_axis", "X", "X axis", "Steps, epochs, or seconds since the start.", False, target="screen"),
    Command("log_scale", "y", "Log y", "Logarithmic axes for both charts, linear ones, or what suits.", False, target="screen"),
    Command("smooth", "v", "Smooth", "Smooth the curves more, or not; the raw samples stay visible.", False, target="screen"),
    Command("point", "left", "Charts: cursor left",
        "Move the cursor left in all charts; the mouse does too.", False, (-1,), "screen"),
    Command("point", "right", "Charts: cursor right", "Move the cursor right.", False, (1,), "screen"),
    Command("zoom", "plus,equals_sign", "Charts: zoom in",
        "Zoom in around the cursor; the mouse wheel does too.", False, (1,), "screen"),
    Command("zoom", "minus", "Charts: zoom out", "Zoom out.", False, (-1,), "screen"),
    Command("pan", "shift+left", "Charts: earlier",
        "Show what came before; shift and the wheel do too.", False, (-0.25,), "screen"),
    Command("pan", "shift+right", "Charts: later",
        "At the end, the charts follow the newest step again.", False, (0.25,), "screen"),
    Command("reset_view", "0,escape", "Charts: show all", "Show all of the runs, without a cursor.", False, target="screen"),
    Command("focus_engine", "a", "Aim", "Aim pause, stop, kill and restart at one framework; again for both.", False),
    Command("theme", "t", "Theme", "Dark, light, clear for every colour vision, or your terminal's own colours.", False),
    *(
        Command("show_screen", str(screen.number), screen.title, screen.help, False, (screen.number,))
        for screen in SCREENS.values()
    ),
    Command("suspend_process", "ctrl+z", "Suspend", "Go to your shell; fg comes back. Training waits after a while.", False),
    Command("quit", "q", "Quit", "Quit; asks first while something trains."),
    Command("repaint", "ctrl+l", "Repaint", "Paint the screen again after another program wrote on it.", False, priority=True),
    # Priority commands come first in the key bar, which shows the shorter key: q.
    Command("quit", "ctrl+c,ctrl+q", "Quit from here", "Quit from a field or a dialog, too.", priority=True),
)  # fmt: skip
"""The commands of the app, and those of the Train screen, whose `target` is "screen"."""

KEYS = {command.name: command.key for command in reversed(COMMANDS)}
"""The display name of each command's first key."""


def commands_for(screen: str) -> tuple[Command, ...]:
    """Return the commands that are available on a screen, its own first."""
    own = SCREENS[screen].commands
    own_keys = {key for command in own for key in command.keys.split(",")}
    shared = [command for command in COMMANDS if command.target == "app" or screen == "train"]
    return (*own, *(command for command in shared if not set(command.keys.split(",")) <= own_keys))
