"""Every command of the app, declared once: the key, the footer, the palette and the help screen all read this table."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding

KEY_NAMES = {"question_mark": "?", "K": "shift+k", "q": "q"}
"""Keys that are called something else than Textual calls them."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something the user can ask for; `action_<name>` of the app does it."""

    name: str
    keys: str
    title: str
    """For the footer and the palette."""
    help: str
    footer: bool = True

    @property
    def binding(self) -> Binding:
        """The command as Textual binds it."""
        return Binding(
            self.keys,
            self.name,
            self.title,
            show=self.footer,
            tooltip=self.help,
            key_display=KEY_NAMES.get(self.keys.partition(",")[0]),
            priority=self.name == "quit",  # also while an input has the focus
        )


COMMANDS = (
    Command("help", "question_mark,f1", "Help", "This page."),
    Command("start", "s,enter", "Start", "Train, with the settings as they are."),
    Command("pause", "space", "Pause", "Pause every run after its step, or go on."),
    Command("stop", "x", "Stop", "Finish the step, evaluate, keep the results."),
    Command("kill", "K", "Kill", "End the workers now, whatever they are doing.", footer=False),
    Command("restart", "r", "Restart", "Start what failed, was killed or has ended, with the settings as they are."),
    Command("resume", "c", "Continue", "Go on from the last checkpoint of what was stopped, killed or has failed."),
    Command(
        "save", "w", "Save", "Write a checkpoint now; one is written after each epoch and at a stop.", footer=False
    ),
    Command("settings", "e", "Settings", "Framework, device, preset, epochs and the rest."),
    Command("parity", "p", "Proof", "Prove that both frameworks train the same thing: same weights, same steps."),
    Command("log", "l", "Log", "What each framework's process printed."),
    Command("log_scale", "y", "Log y", "The loss on a logarithmic axis, or back.", footer=False),
    Command(
        "focus_engine",
        "1,2",
        "Aim",
        "Aim pause, stop, kill and restart at one framework; again for both.",
        footer=False,
    ),
    Command("theme", "t", "Theme", "Dark, light, or your terminal's own colours.", footer=False),
    Command("quit", "q,ctrl+c,ctrl+q", "Quit", "Leave; asks first while something trains."),
)
