"""The settings form, made from the declaration of TrainConfig: one field, one line of help, one reason when it won't do."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Select, Static

from engines.api import ENGINES, TITLES, ConfigError, TrainConfig, from_settings, parse, problem

FORM_FIELDS = (
    "mode", "preset", "device", "epochs", "batch_size", "optimizer", "learning_rate", "schedule", "augment", "dropout", "seed",
    "seeds", "target_accuracy", "patience", "eval_every", "stop_on_nan", "precision", "threads", "dataset", "data_dir",
    "limit_train", "limit_test",
)  # fmt: skip
FRAMEWORKS = {"both": ENGINES, **{name: (name,) for name in ENGINES}}


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
        """A row for each field."""
        with Vertical(id="box"):
            yield Label("Settings", id="title")
            with VerticalScroll(id="form"):
                framework = self._settings.get("framework", "both")
                yield from self._row("framework", "which to train", _select("framework", FRAMEWORKS, framework))
                for name in FORM_FIELDS:
                    yield from self._row(name, self._fields[name].metadata["help"], self._control(name))
            yield Static(self._command_text, id="command", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Keep  ctrl+s", variant="primary", id="save")
                yield Button("Keep and start  ctrl+t", variant="success", id="start")
                yield Button("Reset  ctrl+r", id="reset")
                yield Button("Cancel  esc", id="cancel")

    def _row(self, name: str, help_text: str, control: Select[str] | Input) -> ComposeResult:
        with Horizontal(classes="row"):
            yield Label(name.replace("_", " "), classes="name")
            yield control
            yield Label(help_text, id=f"reason-{name}", classes="reason", markup=False)

    def _control(self, name: str) -> Select[str] | Input:
        field = self._fields[name]
        value = self._shown(name)
        if name == "device":
            options: dict[str, Text] = {"auto": Text("auto"), "cpu": Text("cpu")}
            for id_, title, reason in self._devices:
                grey = Text(f"{id_}  can't be used: {reason}", style="dim italic")
                options[id_] = grey if reason else Text(f"{id_}  {title}")
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
            return getattr(from_settings({"preset": self._settings.get("preset", "reference")}), name)
        except ConfigError:
            return self._fields[name].default

    @on(Input.Changed)
    def validate_field(self, event: Input.Changed) -> None:
        """The reason stands beside the field while one types."""
        name = event.input.id or ""
        label = self.query_one(f"#reason-{name}", Label)
        try:
            value = parse(name, event.value)
        except ConfigError as error:
            label.update(str(error))
            label.add_class("-wrong")
        else:
            label.update(self._fields[name].metadata["help"])
            label.remove_class("-wrong")
            self._take(name, value)
        self._say_command()

    @on(Select.Changed)
    def choose(self, event: Select.Changed) -> None:
        """A device that can't be used says so; a preset fills in its values."""
        name, value = event.select.id or "", str(event.value)
        if name == "device":
            reason = next((why for id_, _, why in self._devices if id_ == value and why), "")
            label = self.query_one("#reason-device", Label)
            label.update(f"can't be used: {reason}" if reason else self._fields["device"].metadata["help"])
            label.set_class(bool(reason), "-wrong")
        if name == "preset" and value != self._settings.get("preset", "reference"):
            kept = ("framework", "mode", "device", "seed", "dataset", "data_dir", "threads", "precision")
            self._settings = {key: self._settings[key] for key in kept if key in self._settings} | {"preset": value}
            self._refill()
        switch = name in self._fields and isinstance(self._fields[name].default, bool)
        self._take(name, value == "on" if switch else value)
        self._say_command()

    def _take(self, name: str, value: Any) -> None:
        default = "both" if name == "framework" else None
        if default is None:
            default = getattr(from_settings({"preset": self._settings.get("preset", "reference")}), name)
        if name == "preset":
            self._settings["preset"] = value
        elif value == default:
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
        self.app.copy_to_clipboard(self.command)
        self.notify(self.command, title="Copied", timeout=3)

    @property
    def command(self) -> str:
        """The command line that would do the same."""
        parts = ["mnist-tui"]
        for name, value in self._settings.items():
            if name == "preset" and value == "reference":
                continue
            flag = name.replace("_", "-")
            parts += [f"--{'' if value else 'no-'}{flag}"] if isinstance(value, bool) else [f"--{flag}", str(value)]
        return shlex.join(parts)

    @property
    def _command_text(self) -> str:
        return f"The same from the shell (ctrl+y copies): {self.command}"

    def _say_command(self) -> None:
        self.query_one("#command", Static).update(self._command_text)

    @property
    def wrong(self) -> list[str]:
        """The fields that can't be used as they are."""
        found = []
        for name in FORM_FIELDS:
            control = self.query_one(f"#{name}")
            if isinstance(control, Input):
                try:
                    value = parse(name, control.value)
                except ConfigError:
                    found.append(name)
                    continue
                if problem(name, value):
                    found.append(name)
        return found

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
        self._say_command()

    def action_cancel(self) -> None:
        """Nothing was changed."""
        self.dismiss(None)

    @on(Button.Pressed)
    def press(self, event: Button.Pressed) -> None:
        """The buttons do what the keys do."""
        actions = {
            "save": self.action_save, "start": self.action_save_and_start, "reset": self.action_reset, "cancel": self.action_cancel,
        }  # fmt: skip
        actions[event.button.id or "cancel"]()


def _select(name: str, choices: Sequence[str] | Mapping[str, Any], value: str) -> Select[str]:
    titles = [(TITLES.get(choice, choice), choice) for choice in choices]
    return Select(titles, value=value, allow_blank=False, id=name, compact=True)
