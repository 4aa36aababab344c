"""The frameworks and settings that the user asks to train, made by the command line, the launcher or the settings form."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from engines.config import FRAMEWORK_CHOICES, RESET_BY_PRESET, ConfigError, TrainConfig
from engines.preset_configs import from_settings


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunRequest:
    """The framework to train, and the settings that the user chose; all others are the preset's."""

    framework: str = "both"
    """A key of FRAMEWORK_CHOICES; any other trains nothing."""
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """Fields of TrainConfig by name, unchecked until `config`."""

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> RunRequest:
        """Make a request from what a file or a command line holds: the settings, and "framework" among them."""
        settings = {name: value for name, value in values.items() if name != "framework"}
        return cls(framework=str(values.get("framework", "both")), settings=settings)

    @property
    def values(self) -> dict[str, Any]:
        """The choices that are not defaults, as `from_values` reads them."""
        return {**({} if self.framework == "both" else {"framework": self.framework}), **self.settings}

    @property
    def engines(self) -> tuple[str, ...]:
        """The engines to train, in display order."""
        return FRAMEWORK_CHOICES.get(self.framework, ())

    @property
    def config(self) -> TrainConfig:
        """The config of every engine. Raises ConfigError."""
        return from_settings(dict(self.settings))

    def default(self, name: str) -> Any:
        """Return what a setting is when the user chooses nothing for it: the preset's value, or the chosen optimizer's."""
        others = {n: v for n, v in self.settings.items() if n in ("preset", "optimizer") and n != name}
        try:
            return "both" if name == "framework" else getattr(from_settings(others), name)
        except ConfigError:
            return getattr(TrainConfig(), name)

    def value(self, name: str) -> Any:
        """Return a setting, or the framework."""
        return self.values.get(name, self.default(name))

    def choose(self, name: str, value: Any) -> RunRequest:
        """Return the request with another value for a setting or the framework; a default is not stored.

        Another preset resets the settings of `RESET_BY_PRESET`.
        """
        values = self.values
        if name == "preset" and value != self.value("preset"):
            values = {n: v for n, v in values.items() if n not in RESET_BY_PRESET}
        values.pop(name, None)
        if value != self.default(name):
            values[name] = value
        return RunRequest.from_values(values)
