"""The settings form, made from the fields of TrainConfig: for each an input, a line of help, and why a value is invalid."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Input, Label, Select

from engines.api import (
    FRAMEWORK_CHOICES,
    SETTING_GROUPS,
    TITLES,
    ConfigError,
    RunRequest,
    TrainConfig,
    parse,
    problem,
)
from tui.terminal.clipboard import copy
from tui.widgets.key_bar import KeyBar

FORM_FIELDS = tuple(name for names in SETTING_GROUPS.values() for name in names)


class SettingsScreen(ModalScreen[tuple[RunRequest, bool] | None]):
    """Edits a request; its result is the new one and whether to start it, or None when cancelled."""

    BINDINGS = [
        Binding("escape", "cancel", "Cancel"),
        Binding("ctrl+s", "save", "Save"),
        Binding("ctrl+t", "save_and_start", "Save and start"),
        Binding("ctrl+r", "reset", "Reset"),
        Binding("ctrl+y", "copy_command", "Copy the command"),
    ]
    CSS_PATH = "settings.tcss"

    def __init__(self, request: RunRequest, devices: Sequence[tuple[str, str, str]]) -> None:
        """`devices` are (id, name, why it can't be used or ""), as the workers report them."""
        super().__init__()
        self._request = request
        self._devices = devices
        self._fields = {field.name: field for field in dataclasses.fields(TrainConfig)}

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = "Settings"
            with VerticalScroll(id="form", can_focus=False):
                for i, (title, names) in enumerate(SETTING_GROUPS.items()):
                    yield Label(title, classes="group")
                    if i == 0:
                        choice = _select("framework", FRAMEWORK_CHOICES, self._request.framework)
                        yield from self._row("framework", choice)
                    for name in names:
                        yield from self._row(name, self._input_for(name))
            yield Label("", id="help", markup=False)
            yield Label("", id="command", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Save ^s", variant="primary", id="save", compact=True)
                yield Button("Save and start ^t", variant="success", id="start", compact=True)
                yield Button("Reset ^r", id="reset", compact=True)
                yield Button("Copy command ^y", id="copy", compact=True)
                yield Button("Cancel esc", id="cancel", compact=True)
        yield KeyBar()

    def on_mount(self) -> None:
        self._refresh_rows()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Explain the field that has the focus."""
        name = event.widget.id or ""
        self.query_one("#help", Label).update(self._help(name) if self.query(f"#reason-{name}") else "")

    def _help(self, name: str) -> str:
        if name == "framework":
            return "Which to train: both at once, or one."
        text = str(self._fields[name].metadata["help"])
        default = self._request.default(name)
        text_of_default = {True: "on", False: "off", "": "none"}.get(default, default)
        return f"{text[0].upper()}{text[1:]}. Default: {text_of_default}."

    def _row(self, name: str, field: Select[str] | Input) -> ComposeResult:
        with Horizontal(classes="row"):
            yield Label(name.replace("_", " "), classes="name")
            yield field
            yield Label("", id=f"reason-{name}", classes="reason", markup=False)

    def _input_for(self, name: str) -> Select[str] | Input:
        field = self._fields[name]
        value = self._request.value(name)
        if name == "device":
            options: dict[str, Text] = {"auto": Text("auto"), "cpu": Text("cpu")}
            for id_, title, reason in self._devices:
                grey = Text(f"{id_}  can't be used: {reason}", style="dim italic")
                options[id_] = grey if reason else Text(f"{id_}  {title}")
            if sum(not reason for id_, _, reason in self._devices if id_ != "cpu") > 1:
                options["all"] = Text("all  every GPU")
            options.setdefault(str(value), Text(str(value)))
            return Select(
                [(label, key) for key, label in options.items()],
                value=str(value),
                allow_blank=False,
                id=name,
                compact=True,
            )
        if isinstance(field.default, bool):
            return _select(name, ("on", "off"), "on" if value else "off")
        if "choices" in field.metadata:
            return _select(name, field.metadata["choices"], str(value))
        kind = {int: "integer", float: "number"}.get(type(field.default), "text")
        return Input(str(value), id=name, type="text", classes=kind, compact=True)

    @on(Input.Changed)
    def _validate_field(self, event: Input.Changed) -> None:
        """Validate the field while the user types."""
        name = event.input.id or ""
        with suppress(ConfigError):
            self._request = self._request.choose(name, parse(name, event.value))
        self._refresh_rows()

    @on(Select.Changed)
    def _apply_choice(self, event: Select.Changed) -> None:
        """Apply a choice; a preset or an optimizer changes other fields, too."""
        name, value = event.select.id or "", str(event.value)
        switch = name in self._fields and isinstance(self._fields[name].default, bool)
        self._request = self._request.choose(name, value == "on" if switch else value)
        if name in ("preset", "optimizer"):
            self._update_inputs()
        self._refresh_rows()

    def _refresh_rows(self) -> None:
        """Update the remarks beside the fields, and the command line."""
        optimizer = self._request.value("optimizer")
        for name in FORM_FIELDS:
            rules, field = self._fields[name].metadata, self.query_one(f"#{name}", Widget)
            field.disabled = optimizer not in rules.get("optimizers", (optimizer,))
            problem_text = self._problem(name)
            label = self.query_one(f"#reason-{name}", Label)
            label.set_class(bool(problem_text), "-wrong")
            remark = f"only for {', '.join(rules['optimizers'])}" if field.disabled else rules["help"]
            label.update(f"← {problem_text}" if problem_text else remark)
        self.query_one("#command", Label).update(f"$ {self.command}")

    def _problem(self, name: str) -> str:
        """Return why a field is invalid; empty when it is valid."""
        field = self.query_one(f"#{name}")
        if name == "device" and isinstance(field, Select):
            reason = next((why for id_, _, why in self._devices if id_ == field.value and why), "")
            return f"can't be used: {reason}" if reason else ""
        if isinstance(field, Input):
            try:
                return problem(name, parse(name, field.value)) or ""
            except ConfigError as error:
                return str(error)
        return ""

    def _update_inputs(self) -> None:
        for name in FORM_FIELDS:
            field = self.query_one(f"#{name}")
            with self.prevent(Input.Changed, Select.Changed):
                if isinstance(field, Input | Select):
                    value = self._request.value(name)
                    field.value = ("on" if value else "off") if isinstance(value, bool) else str(value)

    def action_copy_command(self) -> None:
        """Copy the command line to the terminal's clipboard, over SSH too (OSC 52)."""
        copy(self.app, self.command, "The command", f"It is: {self.command}")

    @property
    def command(self) -> str:
        """The command line with the same settings."""
        parts = ["mnist-tui"]
        for name, value in self._request.values.items():
            flag = name.replace("_", "-")
            parts += [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
        return shlex.join(parts)

    @property
    def invalid_fields(self) -> list[str]:
        """The names of the invalid fields; an absent device is not among them, since it may be present when the run starts."""
        return [name for name in FORM_FIELDS if name != "device" and self._problem(name)]

    def action_save(self, start: bool = False) -> None:
        """Close with the settings, or focus the first invalid field."""
        if invalid := self.invalid_fields:
            self.query_one(f"#{invalid[0]}").focus()
            self.app.bell()
            return
        self.dismiss((self._request, start))

    def action_save_and_start(self) -> None:
        self.action_save(start=True)

    def action_reset(self) -> None:
        """Reset every field to its default."""
        self._request = RunRequest()
        self._update_inputs()
        with self.prevent(Select.Changed):
            self.query_one("#framework", Select).value = "both"
        self._refresh_rows()

    def action_cancel(self) -> None:
        self.dismiss(None)

    @on(Button.Pressed)
    def _press_button(self, event: Button.Pressed) -> None:
        actions = {
            "save": self.action_save,
            "start": self.action_save_and_start,
            "reset": self.action_reset,
            "copy": self.action_copy_command,
            "cancel": self.action_cancel,
        }
        actions[event.button.id or "cancel"]()


def _select(name: str, choices: Sequence[str] | Mapping[str, Any], value: str) -> Select[str]:
    titles = [(TITLES.get(choice, choice), choice) for choice in choices]
    return Select(titles, value=value, allow_blank=False, id=name, compact=True)
