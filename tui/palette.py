"""The contents of the command palette: the commands that work now with their keys, and the settings with their values."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from textual.app import SystemCommand

from engines.api import TITLES, RunRequest, TrainConfig
from tui import launch_options
from tui.commands import Command
from tui.run_controller import RunController

Choose = Callable[[RunRequest], object]


def key_commands(
    groups: Mapping[str, tuple[Command, ...]],
    state: Callable[[Command], bool | None],
    run: Callable[[str], object],
) -> Iterator[SystemCommand]:
    """Yield the commands whose `state` is True, with their keys; those without help are another one with other arguments."""
    for command in (command for commands in groups.values() for command in commands):
        if command.help and command.name != "command_palette" and state(command):
            yield SystemCommand(f"{command.title} ({command.key})", command.help, partial(run, command.action))


def setting_commands(controller: RunController, choose: Choose) -> Iterator[SystemCommand]:
    """Yield a command for each value of each setting that has a few: "Device: cuda:0", "Precision: bf16".

    Those of the launcher are listed at once, the others only when they are searched for.
    """
    request = controller.request
    for title, options in launch_options.rows(controller.session, controller.paces).items():
        for option in options:
            if not option.reason:
                remark = "Chosen for the next run." if option.chosen else "Choose this for the next run."
                yield SystemCommand(f"{title.capitalize()}: {option.label}", remark, partial(choose, option.request))
    for field in dataclasses.fields(TrainConfig):
        values = (False, True) if isinstance(field.default, bool) else field.metadata.get("choices", ())
        for value in values if field.name != "preset" else ():
            shown = ("on" if value else "off") if isinstance(value, bool) else TITLES.get(value, value)
            title = f"{field.name.replace('_', ' ').capitalize()}: {shown}"
            yield SystemCommand(
                title, field.metadata["help"], partial(choose, request.choose(field.name, value)), discover=False
            )
