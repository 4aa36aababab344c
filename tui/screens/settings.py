"""The settings form: for each field of TrainConfig, and for the notices, an input, a line of help, and why a value is invalid."""

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
from textual.containers import Horizontal, ItemGrid, Vertical, VerticalScroll
from textual.css.query import NoMatches
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Input, Label, Select

from engines.api import (
    FRAMEWORK_CHOICES,
    SETTING_GROUPS,
    TITLES,
    ConfigError,
    GpuReading,
    RunHistory,
    RunRequest,
    TrainConfig,
    auto_devices,
    parse,
    problem,
)
from tui.launch_options import DEVICE_SETTINGS, DeviceChoice, device_choices
from tui.screens.base import WIDE
from tui.terminal import osc
from tui.terminal.clipboard import copy
from tui.widgets.key_bar import KeyBar

NOTICES = "notices"
"""The one field that is no setting of a run."""
NOTICES_HELP = (
    "tells you that a run has ended while another window has the focus: by the bell, or by a notification of the desktop, osc9 for "
    "iTerm2, kitty or WezTerm, osc777 for foot or urxvt"
)
GROUPS = {**SETTING_GROUPS, "App": (NOTICES,)}
FORM_FIELDS = tuple(name for names in GROUPS.values() for name in names)
FIRST_FIELDS = ("framework", "device", "preset", "epochs")
"""The fields that are always shown; the others are under "Advanced"."""
ADVANCED_FIELDS = tuple(name for name in FORM_FIELDS if name not in FIRST_FIELDS)
FIELD_COLUMNS = 20
"""The columns for the text of a choice."""
_SHORT_HELP = (*DEVICE_SETTINGS, NOTICES)
"""Fields beside which their help stands to its colon: the choices that come after it are listed by the field."""


class SettingsScreen(ModalScreen[tuple[RunRequest, bool] | None]):
    """Edits a request, and `notices`; its result is the new request and whether to start it, or None when cancelled.

    An empty frame is painted at once and the rows after it, because mounting them takes longer than a frame may.
    """

    BINDINGS = [
        Binding("escape", "cancel", "Cancel"),
        Binding("ctrl+s", "save", "Save"),
        Binding("ctrl+t", "save_and_start", "Save and start"),
        Binding("ctrl+r", "reset", "Reset"),
        Binding("ctrl+y", "copy_command", "Copy the command"),
    ]
    CSS_PATH = "settings.tcss"
    AUTO_FOCUS = ""
    HORIZONTAL_BREAKPOINTS = [(0, "-normal"), (WIDE, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (17, "-medium")]

    def __init__(
        self,
        request: RunRequest,
        histories: Mapping[str, RunHistory],
        gpus: Sequence[GpuReading] = (),
        notices: str = osc.OFF,
    ) -> None:
        """Edit `request`; the workers' devices are read from `histories`, and what uses a GPU from the driver's readings."""
        super().__init__()
        self._request = request
        self._histories = histories
        self._gpus = gpus
        self.notices = notices
        self._fields = {field.name: field for field in dataclasses.fields(TrainConfig)}
        self._device_choices: dict[str, dict[str, DeviceChoice]] = {}
        self._rows: dict[str, tuple[Select[str] | Input, Label]] = {}
        """The input and the remark of each mounted field."""
        self.set_class(any(self._is_changed(name) or self._problem(name) for name in ADVANCED_FIELDS), "-advanced")

    def compose(self) -> ComposeResult:
        with Vertical(id="box") as box:
            box.border_title = "Settings"
            yield VerticalScroll(id="form", can_focus=False)
            yield Label("", id="help", markup=False)
            yield Label("", id="command", markup=False)
            with ItemGrid(id="buttons", min_column_width=12):
                yield Button("Save ^s", variant="primary", id="save", compact=True)
                yield Button("Start ^t", variant="success", id="start", compact=True)
                yield Button("Reset ^r", id="reset", compact=True)
                yield Button("Copy ^y", id="copy", compact=True)
                yield Button("Cancel esc", id="cancel", compact=True)
        yield KeyBar()

    def on_mount(self) -> None:
        self.call_after_refresh(self._mount_first_rows)

    async def _mount_first_rows(self) -> None:
        rows: list[Widget] = [self._row(name) for name in FIRST_FIELDS]
        if not self.has_class("-advanced"):
            rows.append(Button(f"Advanced: {len(ADVANCED_FIELDS)} more settings", id="advanced", compact=True))
        if not await self._mount_rows(rows):
            return
        if self.focused is None:
            self.query_one("#framework").focus()
        self._refresh_rows()
        if self.has_class("-advanced"):
            self.call_after_refresh(self._mount_advanced_rows)

    async def _mount_advanced_rows(self) -> None:
        rows: list[Widget] = []
        for title, names in GROUPS.items():
            rows += [Label(title, classes="group")] if rows else []  # the first group goes on after the first fields
            rows += [self._row(name) for name in names if name in ADVANCED_FIELDS]
        if await self._mount_rows(rows):
            self._refresh_rows()

    async def _mount_rows(self, rows: Sequence[Widget]) -> bool:
        """Mount rows in the form; return whether they are there: the form may close meanwhile, alone or with the app."""
        forms = self.query("#form")
        if forms:
            await forms.first().mount_all(rows)
        return self.is_current and all(field.is_attached for field, _ in self._rows.values())

    async def _open_advanced(self) -> None:
        """Replace the button by the fields that it stands for, and focus the first."""
        self.add_class("-advanced")
        await self.query_one("#advanced").remove()
        await self._mount_advanced_rows()
        self.query(f"#{ADVANCED_FIELDS[0]}").focus()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Explain the field that has the focus."""
        name = event.widget.id or ""
        self.query_one("#help", Label).update(self._help(name) if name in self._rows else "")

    def _help(self, name: str) -> str:
        if name == "framework":
            return "Which to train: both at once, or one."
        text = self._purpose(name)
        return f"{text[0].upper()}{text[1:]}. Default: {self._default(name)}."

    def _purpose(self, name: str) -> str:
        """Return what the field is for; the form has no flags, so what refers to one is the field's name here."""
        if name == NOTICES:
            return NOTICES_HELP
        return str(self._fields[name].metadata["help"]).replace("--", "") if name in self._fields else ""

    def _value(self, name: str) -> Any:
        return self.notices if name == NOTICES else self._request.value(name)

    def _default(self, name: str) -> str:
        none = "same as device" if name in DEVICE_SETTINGS else "none"
        default = osc.OFF if name == NOTICES else self._request.default(name)
        return {True: "on", False: "off"}[default] if isinstance(default, bool) else str(default) or none

    def _row(self, name: str) -> Horizontal:
        field, remark = self._select_or_input(name), Label("", id=f"reason-{name}", classes="reason", markup=False)
        self._rows[name] = field, remark
        return Horizontal(Label(name.replace("_", " "), classes="name"), field, remark, classes="row")

    def _select_or_input(self, name: str) -> Select[str] | Input:
        value = self._value(name)
        if name == "framework":
            return _select(name, FRAMEWORK_CHOICES, value)
        if name == NOTICES:
            return _select(name, osc.NOTICES, value)
        if name in DEVICE_SETTINGS:
            options = self._device_options(name)
            return ChoiceField(options, value=str(value), allow_blank=False, id=name, compact=True)
        field = self._fields[name]
        if isinstance(field.default, bool):
            return _select(name, ("on", "off"), "on" if value else "off")
        if "choices" in field.metadata:
            return _select(name, field.metadata["choices"], str(value))
        return Input(str(value), id=name, compact=True)

    def _device_options(self, name: str) -> list[tuple[Text, str]]:
        """Return what a setting of devices can be: of both chosen frameworks, or of the one that it belongs to."""
        engines = self._request.engines if name == "device" else (name.removesuffix("_device"),)
        autos = auto_devices(str(self._request.value("mode")), dict.fromkeys(self._request.engines, "auto"))
        choices = device_choices(engines, self._histories, self._gpus, autos)
        if name != "device":
            choices.insert(0, DeviceChoice("", "same as device"))
        by_value = {choice.value: choice for choice in choices}
        value = str(self._request.value(name))  # the command line may name another
        by_value.setdefault(value, DeviceChoice(value, value))
        self._device_choices[name] = by_value
        return [
            (Text(f"{choice.value}  can't be used: {choice.reason}", style="italic"), choice.value)
            if choice.reason
            else (Text(choice.label), choice.value)
            for choice in by_value.values()
        ]

    @on(Input.Changed)
    def _validate_field(self, event: Input.Changed) -> None:
        """Validate the field while the user types."""
        name = event.input.id or ""
        with suppress(ConfigError):
            self._request = self._request.choose(name, parse(name, event.input.value))  # a preset may have come between
        self._refresh_rows()

    @on(Select.Changed)
    def _apply_choice(self, event: Select.Changed) -> None:
        """Apply a choice; a framework, a preset or an optimizer changes other fields, too."""
        name, value = event.select.id or "", str(event.select.value)
        if name == NOTICES:
            self.notices = value
            self._refresh_rows()
            return
        switch = name in self._fields and isinstance(self._fields[name].default, bool)
        request = self._request.choose(name, value == "on" if switch else value)
        if request == self._request:  # the first value of a new field
            return
        self._request = request
        if name in ("framework", "preset", "optimizer"):
            self._update_inputs()
        self._refresh_rows()

    def _refresh_rows(self) -> None:
        """Update the remarks beside the fields, and the command line."""
        optimizer = self._request.value("optimizer")
        for name, (field, label) in self._rows.items():
            optimizers = self._fields[name].metadata.get("optimizers", ()) if name in self._fields else ()
            field.disabled = bool(optimizers) and optimizer not in optimizers
            wrong = self._problem(name)
            label.set_class(bool(wrong), "-wrong")
            note = f"← {wrong}" if wrong else self._note(name, f"only for {', '.join(optimizers)}" * field.disabled)
            label.set_class(not note, "-help")
            purpose = self._purpose(name)
            text = note or (purpose.partition(":")[0] if name in _SHORT_HELP else purpose)
            if label.content != text:  # an update lays everything out again
                label.update(text)
                if wrong and field.has_focus and isinstance(field.parent, Widget):
                    self.call_after_refresh(field.parent.scroll_visible, animate=False)
        self.query_one("#command", Label).update(f"$ {self.command}")

    def _note(self, name: str, unused: str) -> str:
        """Return what the field can't show: why it is not used, a long name of a device, or a default that was changed."""
        choice = self._device_choices.get(name, {}).get(str(self._value(name)))
        if unused or (choice is not None and len(choice.label) > FIELD_COLUMNS):
            return unused or str(choice and choice.label)
        return f"changed; default: {self._default(name)}" if self._is_changed(name) else ""

    def _is_changed(self, name: str) -> bool:
        return bool(self._value(name) != (osc.OFF if name == NOTICES else self._request.default(name)))

    def _problem(self, name: str) -> str:
        """Return why a field is invalid; empty when it is valid."""
        if name in self._device_choices:
            choice = self._device_choices[name].get(str(self._request.value(name)))
            return f"can't be used: {choice.reason}" if choice is not None and choice.reason else ""
        if name not in self._fields:
            return ""
        if name in self._rows and isinstance(field := self._rows[name][0], Input):
            try:
                return problem(name, parse(name, field.value)) or ""
            except ConfigError as error:
                return str(error)
        return problem(name, self._request.value(name)) or ""

    def _update_inputs(self) -> None:
        """Show the request's values in all fields, and the devices of its frameworks."""
        with self.prevent(Input.Changed, Select.Changed):
            for name, (field, _) in self._rows.items():
                value = self._value(name)
                if name in DEVICE_SETTINGS and isinstance(field, Select):
                    field.set_options(self._device_options(name))
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
        return [name for name in FORM_FIELDS if name not in DEVICE_SETTINGS and self._problem(name)]

    def action_save(self, start: bool = False) -> None:
        """Close with the settings, or focus the first invalid field."""
        if invalid := self.invalid_fields:
            for field, _ in (self._rows[name] for name in invalid[:1] if name in self._rows):
                field.focus()
            self.app.bell()
            return
        self.dismiss((self._request, start))

    def action_save_and_start(self) -> None:
        self.action_save(start=True)

    def action_reset(self) -> None:
        """Reset every field to its default."""
        self._request, self.notices = RunRequest(), osc.OFF
        self._update_inputs()
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
            "advanced": self._open_advanced,
        }
        self.call_next(actions[event.button.id or "cancel"])


class ChoiceField(Select[str]):
    """A Select whose screen may close while it is still being mounted, as after `e` and `esc` in quick succession."""

    def _watch_value(self, value: Any) -> None:
        with suppress(NoMatches):  # it has no label yet, and will have none
            super()._watch_value(value)

    def _setup_options_renderables(self) -> None:
        with suppress(NoMatches):  # its list is gone already
            super()._setup_options_renderables()


def _select(name: str, choices: Sequence[str] | Mapping[str, Any], value: str) -> Select[str]:
    titles = [(TITLES.get(choice, choice), choice) for choice in choices]
    return ChoiceField(titles, value=value, allow_blank=False, id=name, compact=True)
