"""The settings form, made from the declaration of TrainConfig: one field, one line of help, one reason when it won't do."""

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
    RESET_BY_PRESET,
    SETTING_GROUPS,
    TITLES,
    ConfigError,
    TrainConfig,
    from_settings,
    parse,
    problem,
)
from tui.terminal.clipboard import copy

FORM_FIELDS = tuple(name for names in SETTING_GROUPS.values() for name in names)


class SettingsScreen(ModalScreen[dict[str, Any] | None]):
    """Edits a copy of the settings; dismisses with it, or with None when cancelled."""

    BINDINGS = [
        Binding("escape", "cancel", "Cancel"),
        Binding("ctrl+s", "save", "Keep"),
        Binding("ctrl+t", "save_and_start", "Keep and start"),
        Binding("ctrl+r", "reset", "Reset"),
        Binding("ctrl+y", "copy_command", "Copy the command"),
    ]
    CSS_PATH = "settings.tcss"

    def __init__(self, settings: Mapping[str, Any], devices: Sequence[tuple[str, str, str]]) -> None:
        """`devices` are (id, name, why it can't be used or "") as the workers know them."""
        super().__init__()
        self._settings = dict(settings)
        self._devices = devices
        self._fields = {field.name: field for field in dataclasses.fields(TrainConfig)}

    def compose(self) -> ComposeResult:
        """A row for each field under its heading; below them what the field in hand means, and the command line."""
        with Vertical(id="box") as box:
            box.border_title = "Settings"
            with VerticalScroll(id="form", can_focus=False):
                for i, (title, names) in enumerate(SETTING_GROUPS.items()):
                    yield Label(title, classes="group")
                    if i == 0:
                        framework = self._settings.get("framework", "both")
                        yield from self._row("framework", _select("framework", FRAMEWORK_CHOICES, framework))
                    for name in names:
                        yield from self._row(name, self._control(name))
            yield Label("", id="help", markup=False)
            yield Label("", id="command", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Keep ^s", variant="primary", id="save", compact=True)
                yield Button("Keep and start ^t", variant="success", id="start", compact=True)
                yield Button("Reset ^r", id="reset", compact=True)
                yield Button("Copy command ^y", id="copy", compact=True)
                yield Button("Cancel esc", id="cancel", compact=True)

    def on_mount(self) -> None:
        """Say what is already known."""
        self._refresh_rows()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Explain the field in hand."""
        name = event.widget.id or ""
        self.query_one("#help", Label).update(self._help(name) if self.query(f"#reason-{name}") else "")

    def _help(self, name: str) -> str:
        if name == "framework":
            return "Which to train: both at once, or one."
        text = str(self._fields[name].metadata["help"])
        default = getattr(from_settings({"preset": self._settings.get("preset", "reference")}), name)
        shown = {True: "on", False: "off", "": "none"}.get(default, default)
        return f"{text[0].upper()}{text[1:]}. As it comes: {shown}."

    def _row(self, name: str, control: Select[str] | Input) -> ComposeResult:
        with Horizontal(classes="row"):
            yield Label(name.replace("_", " "), classes="name")
            yield control
            yield Label("", id=f"reason-{name}", classes="reason", markup=False)

    def _control(self, name: str) -> Select[str] | Input:
        field = self._fields[name]
        value = self._shown(name)
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

    def _shown(self, name: str) -> Any:
        if name in self._settings:
            return self._settings[name]
        try:
            return getattr(
                from_settings({n: v for n, v in self._settings.items() if n in ("preset", "optimizer")}), name
            )
        except ConfigError:
            return self._fields[name].default

    @on(Input.Changed)
    def validate_field(self, event: Input.Changed) -> None:
        """The reason stands beside the field while one types."""
        name = event.input.id or ""
        with suppress(ConfigError):
            self._take(name, parse(name, event.value))
        self._refresh_rows()

    @on(Select.Changed)
    def choose(self, event: Select.Changed) -> None:
        """A preset fills in its values."""
        name, value = event.select.id or "", str(event.value)
        if name == "preset" and value != self._settings.get("preset", "reference"):
            self._settings = {key: v for key, v in self._settings.items() if key not in RESET_BY_PRESET} | {
                "preset": value
            }
            self._refill()
        switch = name in self._fields and isinstance(self._fields[name].default, bool)
        self._take(name, value == "on" if switch else value)
        if name == "optimizer":
            self._refill()  # each has its usual learning rate
        self._refresh_rows()

    def _refresh_rows(self) -> None:
        """What is wrong or does not count stands beside each field; the command line below."""
        optimizer = self._shown("optimizer")
        for name in FORM_FIELDS:
            rules, control = self._fields[name].metadata, self.query_one(f"#{name}", Widget)
            control.disabled = optimizer not in rules.get("optimizers", (optimizer,))
            wrong = self._problem(name)
            label = self.query_one(f"#reason-{name}", Label)
            label.set_class(bool(wrong), "-wrong")
            unused = f"only for {', '.join(rules['optimizers'])}" if control.disabled else rules["help"]
            label.update(f"← {wrong}" if wrong else unused)
        self.query_one("#command", Label).update(f"$ {self.command}")

    def _problem(self, name: str) -> str:
        """Why the field can't be used as it is; empty when it can."""
        control = self.query_one(f"#{name}")
        if name == "device" and isinstance(control, Select):
            reason = next((why for id_, _, why in self._devices if id_ == control.value and why), "")
            return f"can't be used: {reason}" if reason else ""
        if isinstance(control, Input):
            try:
                return problem(name, parse(name, control.value)) or ""
            except ConfigError as error:
                return str(error)
        return ""

    def _take(self, name: str, value: Any) -> None:
        """Keep the value, unless it is what comes without saying so."""
        others = {n: v for n, v in self._settings.items() if n in ("preset", "optimizer") and n != name}
        as_it_comes = "both" if name == "framework" else getattr(from_settings(others), name)
        if value == as_it_comes:
            self._settings.pop(name, None)
        else:
            self._settings[name] = value

    def _refill(self) -> None:
        for name in FORM_FIELDS:
            control = self.query_one(f"#{name}")
            with self.prevent(Input.Changed, Select.Changed):
                if isinstance(control, Input | Select):
                    shown = self._shown(name)
                    control.value = ("on" if shown else "off") if isinstance(shown, bool) else str(shown)

    def action_copy_command(self) -> None:
        """To the terminal's clipboard, over SSH too (OSC 52)."""
        copy(self.app, self.command, "The command", f"It is: {self.command}")

    @property
    def command(self) -> str:
        """The command line that would do the same."""
        parts = ["mnist-tui"]
        for name, value in self._settings.items():
            flag = name.replace("_", "-")
            parts += [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
        return shlex.join(parts)

    @property
    def wrong(self) -> list[str]:
        """The fields that can't be used as they are. A device that is missing now may be there when the run starts."""
        return [name for name in FORM_FIELDS if name != "device" and self._problem(name)]

    def action_save(self, start: bool = False) -> None:
        """Keep the settings, unless a field is wrong."""
        if self.wrong:
            self.query_one(f"#{self.wrong[0]}").focus()
            self.app.bell()
            return
        self.dismiss({**self._settings, "start": True} if start else self._settings)

    def action_save_and_start(self) -> None:
        """Keep them and train."""
        self.action_save(start=True)

    def action_reset(self) -> None:
        """Everything as it comes."""
        self._settings = {}
        self._refill()
        with self.prevent(Select.Changed):
            self.query_one("#framework", Select).value = "both"
        self._refresh_rows()

    def action_cancel(self) -> None:
        """Nothing was changed."""
        self.dismiss(None)

    @on(Button.Pressed)
    def press(self, event: Button.Pressed) -> None:
        """The buttons do what the keys do."""
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
