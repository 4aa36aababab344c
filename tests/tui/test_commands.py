"""The table of commands: keys that mean the same on every screen, groups, and names of keys."""

from __future__ import annotations

from collections import defaultdict

import pytest
from textual.binding import Binding
from textual.screen import ModalScreen

from tui.commands import COMMANDS, GROUPS, SCREENS, groups_for, key_name
from tui.screens.comparison import ComparisonDialog
from tui.screens.dialogs import HelpDialog, Question
from tui.screens.gpu_wall import GpuWall
from tui.screens.parity import ParityScreen
from tui.screens.settings import SettingsScreen

GLOBAL = {
    "space": "pause", "s": "start", "x": "stop", "e": "settings", "p": "parity", "q": "quit", "question_mark": "help", "t": "theme",
    "l": "log", "o": "overlay", "f": "framework", "d": "device", "b": "preset", "ctrl+y": "copy", "g": "gpus",
    **{str(screen.number): "show_screen" for screen in SCREENS.values()},
}  # fmt: skip
"""The command of each key that means the same everywhere: a screen that has no use for it leaves it alone."""
RESERVED = ("z", "6")
"""Keys of screens to come."""


def test_a_global_key_has_one_meaning_on_all_screens() -> None:
    names = defaultdict(set)
    for command in (*COMMANDS, *(command for screen in SCREENS.values() for command in screen.commands)):
        for key in command.keys.split(","):
            names[key].add(command.name.removesuffix("_logs"))
    assert {key: names[key] for key in GLOBAL} == {key: {name} for key, name in GLOBAL.items()}
    assert not [
        key for key in RESERVED for screen in SCREENS.values() for one in screen.commands if key in one.keys.split(",")
    ]
    assert all(len(names[key]) <= 1 for key in RESERVED)


@pytest.mark.parametrize("dialog", [ComparisonDialog, GpuWall, HelpDialog, ParityScreen, Question, SettingsScreen])
def test_a_global_key_in_a_dialog_at_most_closes_it(dialog: type[ModalScreen[object]]) -> None:
    for binding in dialog.BINDINGS:
        assert isinstance(binding, Binding)
        if {*binding.key.split(",")} & {*GLOBAL, *RESERVED} - {"ctrl+y"}:
            assert binding.action in ("close", "answer(False)")


def test_every_screen_has_its_own_group_first_and_keeps_the_global_keys() -> None:
    assert list(groups_for("train")) == [*GROUPS] == ["Run", "Choose", "Look", "Go"]
    for name, screen in SCREENS.items():
        groups = groups_for(name)
        if name != "train":
            assert next(iter(groups)) == screen.title
        assert {"start", "pause", "settings", "parity", "quit"} <= {one.name for its in groups.values() for one in its}


def test_shifted_letters_have_names() -> None:
    assert [key_name(key) for key in ("K", "k", "shift+left", "question_mark", "f2")] == [
        "shift+k",
        "k",
        "shift+←",
        "?",
        "F2",
    ]
