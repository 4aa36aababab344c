"""Every command and every screen of the app, declared once: bindings, tabs, key bar, palette and help read these tables."""

from __future__ import annotations

from textual.binding import Binding

from engines.api import Record

KEY_NAMES = {
    "question_mark": "?", "slash": "/", "up": "↑", "down": "↓", "left": "←", "right": "→", "backspace": "bksp", "escape": "esc",
    "left_square_bracket": "[", "right_square_bracket": "]", "comma": ",", "full_stop": ".", "less_than_sign": "<",
    "greater_than_sign": ">", "plus": "+", "equals_sign": "=", "minus": "-", "shift+left": "shift+←", "shift+right": "shift+→",
    "pageup": "pgup", "pagedown": "pgdn", "delete": "del", "f1": "F1", "f2": "F2",
}  # fmt: skip
"""The display names of keys that Textual names differently."""


def key_name(key: str) -> str:
    """Return the display name of a key, such as "shift+k" for "K"."""
    return KEY_NAMES.get(key, f"shift+{key.lower()}" if len(key) == 1 and key.isupper() else key)


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
        return key_name(self.keys.partition(",")[0])

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
    Command("switch_view", "v", "View", "The two scripts, or the engines that run.", target="screen"),
    Command("next_code", "tab", "Switch", "PyTorch's code, Keras' code, or both side by side.", target="screen"),
    Command("next_code", "shift+tab", "Switch back", "", False, (-1,), "screen"),
    Command("scroll_code", "down", "Scroll", "Scroll both columns; the mouse wheel does too.", False, (0.1,), "screen"),
    Command("scroll_code", "up", "Scroll up", "", False, (-0.1,), "screen"),
    Command("scroll_code", "pagedown", "Page down", "Scroll by pages.", False, (0.97,), "screen"),
    Command("scroll_code", "pageup", "Page up", "", False, (-0.97,), "screen"),
    Command("section", "n", "Section", "The next section: Data, Model, Train and so on.", True, (1,), "screen"),
    Command("section", "N", "Previous section", "", False, (-1,), "screen"),
    Command("follow", "end", "Follow", "Scroll along with the code that runs, or stay here.", target="screen"),
    Command("hyperparameters", "h", "Hyperparameters", "Every value in both libraries, hidden defaults too.", target="screen"),
    Command("fold", "C", "Comments", "Hide docstrings and comments, or show them again.", target="screen"),
)  # fmt: skip

DRAW = (
    Command("pen", "enter", "Pen", "Put the pen down, or lift it; the mouse draws, too.", target="screen"),
    Command("eraser", "r", "Eraser", "Erase, or draw; the right button erases, too.", target="screen"),
    Command("undo", "u", "Undo", "Undo the last stroke.", target="screen"),
    Command("clear", "backspace,delete", "Clear", "Clear the drawing.", target="screen"),
    Command("test_digit", "n", "New digit", "A random test digit.", target="screen"),
    Command("next_mistake", "m", "Mistake", "The next digit that the last test got wrong.", target="screen"),
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
    Command("open", "enter", "Open", "The chosen seed, or the mistakes of the chosen cell.", target="screen"),
    Command("next_view", "tab", "Next",
        "Seeds, card, confusion matrices, mistakes, filters.", target="screen"),
    Command("next_view", "shift+tab", "Previous", "", False, (-1,), "screen"),
    Command("mistakes_of", "m", "Whose", "Mistakes of both, of PyTorch alone, of Keras alone.", target="screen"),
    Command("move", "left", "Choose", "Choose a mistake, a seed or a cell; scroll the card.", True, (-1, 0), "screen"),
    Command("move", "right", "Right", "", False, (1, 0), "screen"),
    Command("move", "up", "Up", "", False, (0, -1), "screen"),
    Command("move", "down", "Down", "", False, (0, 1), "screen"),
    Command("run", "left_square_bracket", "Older run", "The results of the previous kept run.", True, (1,), "screen"),
    Command("run", "right_square_bracket", "Newer run", "Back towards the current run.", False, (-1,), "screen"),
    Command("scroll", "pagedown", "Scroll down", "", False, (0.9,), "screen"),
    Command("scroll", "pageup", "Scroll up", "Scroll a view that is longer than the screen.", False, (-0.9,), "screen"),
    Command("copy", "ctrl+y", "Copy", "Copy the card or the seeds as Markdown to the clipboard.", target="screen"),
    Command("export", "w", "Write", "Write the card as Markdown, HTML and SVG to the run's folder.", target="screen"),
)  # fmt: skip

RUNS = (
    Command("open", "enter", "Open", "Its results, or the live run; with two or more marks, compare those.", target="screen"),
    Command("mark", "m", "Mark", "Mark it, to show its curves and to compare it; up to six.", target="screen"),
    Command("play", "v", "Play", "Replay it as if it were live.", target="screen"),
    Command("continue_run", "c", "Continue", "Continue it from its last checkpoint.", target="screen"),
    Command("find", "slash", "Filter", "Filter, such as preset:best acc>99 demo.", target="screen"),
    Command("sort", "tab", "Sort", "Sort by time, accuracy, seconds or name.", target="screen"),
    Command("name_run", "f2", "Rename", "Edit its name and its note.", target="screen"),
    Command("delete", "delete", "Delete", "Move it to the trash.", target="screen"),
    Command("undo", "u", "Undo", "Bring back what was deleted last.", target="screen"),
    Command("overlay", "o", "Overlay", "Show or hide the curves of the marked runs.", target="screen"),
    Command("baseline", "equals_sign", "Baseline", "Compare the others with its accuracy; again to undo.", False, target="screen"),
    Command("export", "w", "Write", "Write every available format to the run's folder.", False, target="screen"),
    Command("all", "escape", "All", "Clear the filter; pressed again, the marks.", False, target="screen"),
)  # fmt: skip

INSIDE = (
    Command("next_view", "tab", "Layer", "The next layer, the logits, the saliency, or the change in a step.", target="screen"),
    Command("next_view", "shift+tab", "Layer before", "", False, (-1,), "screen"),
    Command("choose", "left", "Choose", "Choose a map; in an enlarged one, a position.", True, (-1, 0), "screen"),
    Command("choose", "right", "Right", "", False, (1, 0), "screen"),
    Command("choose", "up", "Up", "", False, (0, -1), "screen"),
    Command("choose", "down", "Down", "", False, (0, 1), "screen"),
    Command("enlarge", "enter", "Enlarge", "One map, its kernel, and the arithmetic of one position.", target="screen"),
    Command("close", "escape", "Back", "Back to all maps.", target="screen"),
    Command("test_digit", "n", "New digit", "A random test digit.", target="screen"),
    Command("next_mistake", "m", "Mistake", "The next digit that the last test got wrong.", target="screen"),
)  # fmt: skip

SCREENS = {
    entry.name: entry
    for entry in (
        ScreenEntry(1, "train", "Both frameworks while they train."),
        ScreenEntry(2, "code", "Two scripts side by side, and the engines that run.", CODE),
        ScreenEntry(3, "draw", "Draw a digit, and both frameworks read it.", DRAW),
        ScreenEntry(4, "results", "Who won, with every measurement.", RESULTS),
        ScreenEntry(5, "runs", "Every kept run: compare, play, name, continue.", RUNS),
        ScreenEntry(6, "inside", "One digit inside both networks, and how they differ.", INSIDE),
    )
}
"""The screens by name, in the order of their keys."""

RUN = (
    Command("start", "s", "Start", "Train with the current settings."),
    Command("launch", "enter", "Launch", "", False, target="screen"),
    Command("pause", "space,P", "Pause", "Pause after the current step, or resume."),
    Command("step", "n", "Step", "Paused: train exactly one step, and show it."),
    Command("learning_rate", "R", "Rate", "Change the learning rate of the run, in both.", False),
    Command("seek", "comma", "Back", "Recording: five seconds back, or ahead.", True, (-5.0,)),
    Command("seek", "full_stop", "Ahead", "", True, (5.0,)),
    Command("seek_epoch", "left_square_bracket", "Previous epoch", "Recording: to the start of an epoch.", False, (-1,)),
    Command("seek_epoch", "right_square_bracket", "Next epoch", "", False, (1,)),
    Command("change_speed", "less_than_sign", "Slower", "Recording: a tenth of its speed to 100 times.", False, (-1,)),
    Command("change_speed", "greater_than_sign", "Faster", "", True, (1,)),
    Command("stop", "x", "Stop", "Finish the step, test, and keep the results."),
    Command("resume", "c", "Continue", "Continue from the last checkpoint."),
    Command("kill", "K", "Kill", "Stop now; steps since the checkpoint are lost.", False),
    Command("restart", "r", "Restart", "Start again what has failed or ended.", False),
    Command("save", "w", "Write", "Write a checkpoint in the middle of an epoch.", False),
    Command("focus_engine", "a", "Aim", "Aim these keys at one framework, or at both.", False),
)  # fmt: skip

CHOOSE = (
    Command("framework", "f", "Framework", "Both, PyTorch or Keras; with shift backwards.", False, (1,), "screen"),
    Command("framework", "F", "Framework before", "", False, (-1,), "screen"),
    Command("device", "d", "Device", "The next device; with shift the one before.", False, (1,), "screen"),
    Command("device", "D", "Device before", "", False, (-1,), "screen"),
    Command("preset", "b", "Preset", "The next preset; with shift the one before.", False, (1,), "screen"),
    Command("preset", "B", "Preset before", "", False, (-1,), "screen"),
    Command("settings", "e", "Settings", "Every setting of the next run; notices of its end."),
    Command("theme", "t", "Next theme", "Switch between dark, light and other colours.", False),
)  # fmt: skip

LOOK = (
    Command("log", "l", "Log", "What each framework's process printed.", target="screen"),
    Command("find", "slash", "Find", "Search the logs; esc shows all lines again.", False, target="screen"),
    Command("copy_logs", "ctrl+y", "Copy log", "Copy the log to the clipboard, over SSH too.", False, target="screen"),
    Command("scroll_logs", "pageup", "Log up", "Scroll the logs; end follows the newest line.", False, (-1,), "screen"),
    Command("scroll_logs", "pagedown", "Log down", "", False, (1,), "screen"),
    Command("scroll_logs", "end", "Log end", "", False, (9,), "screen"),
    Command("overlay", "o", "Overlay", "Both frameworks in one chart, or side by side.", target="screen"),
    Command("difference", "O", "Difference", "How far the frameworks' curves are apart.", False, target="screen"),
    Command("maximise", "m", "Maximise", "One chart alone: loss, then accuracy, then all.", False, target="screen"),
    Command("more", "M", "More charts", "Learning rate, img/s, CPU, memory and GPU.", False, target="screen"),
    Command("big", "z", "Big", "Figures to be read from the back of a room; again for everything.", False, target="screen"),
    Command("x_axis", "X", "X axis", "Along the x axis: steps, epochs or seconds.", False, target="screen"),
    Command("log_scale", "y", "Log y", "Logarithmic axes, linear ones, or what suits.", False, target="screen"),
    Command("smooth", "v", "Smooth", "Smooth the curves more, or not at all.", False, target="screen"),
    Command("point", "left", "Charts: cursor left", "Move the cursor of all charts; so does the mouse.", False, (-1,), "screen"),
    Command("point", "right", "Charts: cursor right", "", False, (1,), "screen"),
    Command("zoom", "plus,equals_sign", "Charts: zoom in", "Zoom around the cursor; so does the wheel.", False, (1,), "screen"),
    Command("zoom", "minus", "Charts: zoom out", "", False, (-1,), "screen"),
    Command("pan", "shift+left", "Charts: earlier", "Show earlier or later steps.", False, (-0.25,), "screen"),
    Command("pan", "shift+right", "Charts: later", "", False, (0.25,), "screen"),
    Command("reset_view", "0,escape", "Charts: show all", "Show all of the runs, without a cursor.", False, target="screen"),
)  # fmt: skip

GO = (
    *(
        Command("show_screen", str(screen.number), screen.title, screen.help, False, (screen.number,))
        for screen in SCREENS.values()
    ),
    Command("parity", "p", "Proof", "Prove that both train the same thing."),
    Command("gpus", "g", "GPUs", "Every GPU: its load, its temperature, who holds it.", False),
    Command("suspend_process", "ctrl+z", "Suspend", "Go to your shell; fg comes back.", False),
    Command("repaint", "ctrl+l", "Repaint", "Paint the screen again.", False, priority=True),
    Command("command_palette", "ctrl+p", "Commands", "Find a command or a setting by its name."),
    Command("help", "question_mark,f1", "Help", "These keys, and what the words mean."),
    Command("quit", "q", "Quit", "Quit; asks first while something trains."),
    # Priority commands come first in the key bar, which shows the shorter key: q.
    Command("quit", "ctrl+c,ctrl+q", "Quit from here", "Quit from a field or a dialog, too.", priority=True),
)  # fmt: skip

GROUPS = {"Run": RUN, "Choose": CHOOSE, "Look": LOOK, "Go": GO}
"""The commands of the app, and those of the Train screen, whose `target` is "screen", in the groups of the help."""
COMMANDS = tuple(command for commands in GROUPS.values() for command in commands)
"""The same commands, in the order of the key bar."""

TOUR = (
    Command("next_chapter", "space", "Next", "The next chapter.", priority=True),
    Command("previous_chapter", "backspace", "Back", "The chapter before.", priority=True),
    Command("hold", "p", "Hold", "Hold the tour and its recording, or go on.", priority=True),
    Command("leave_tour", "q,escape,ctrl+c,ctrl+q", "Leave", "Leave the tour.", priority=True),
)
"""The commands of a tour."""

KEYS = {command.name: command.key for command in reversed(COMMANDS)}
"""The display name of each command's first key."""


def groups_for(screen: str) -> dict[str, tuple[Command, ...]]:
    """Return the commands that are available on a screen, by group: first its own, then the app's whose keys it leaves free."""
    own = SCREENS[screen].commands
    own_keys = {key for command in own for key in command.keys.split(",")}

    def is_available(command: Command) -> bool:
        return (command.target == "app" or screen == "train") and not set(command.keys.split(",")) <= own_keys

    shared = {title: tuple(filter(is_available, commands)) for title, commands in GROUPS.items()}
    return {title: commands for title, commands in {SCREENS[screen].title: own, **shared}.items() if commands}
