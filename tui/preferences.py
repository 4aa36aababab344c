"""What the app remembers between starts, in a file of its own beside config.toml, which is the user's."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FILE = "remembered.toml"
"""Beside config.toml, which is never written."""
_HEAD = "# Written anew by mnist-tui whenever the settings are kept. What you set yourself belongs into config.toml.\n"
DAMAGED = "remembered.toml.damaged"
"""Where a file that can't be read is kept when a new one is written."""


def default_path() -> Path:
    """Where the settings are remembered."""
    from engines.api import paths

    return paths.config_file().with_name(FILE)


def load(path: Path) -> dict[str, Any]:
    """The settings as they were left; empty when there are none, or the file can't be read."""
    from engines.api import ConfigFileError, read_toml

    try:
        return read_toml(path)
    except FileNotFoundError:
        return _as_it_was_kept_before(path.with_name("config.toml"))
    except (OSError, ConfigFileError):
        return {}


def problems(path: Path, unusable: Sequence[str] = ()) -> list[str]:
    """What in the file is not used, a sentence each; `unusable` are what `usable` found wrong in it."""
    said = [f"{path}: {'; '.join(unusable)}. The other settings are used."] if unusable else []
    return said + list(filter(None, [problem(path)]))


def problem(path: Path) -> str:
    """Why the file can't be read, in a sentence; empty when it can, or there is none."""
    from engines.api import ConfigFileError, read_toml

    if not os.path.lexists(path):
        return ""
    try:
        read_toml(path)
    except (OSError, ConfigFileError) as error:
        why = error.strerror or error if isinstance(error, OSError) else error
        return f"{path} is not used: {why}. It is kept as {DAMAGED} when settings are next remembered."
    return ""


def usable(remembered: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The remembered settings of a run that can be used, and what is wrong with each of the others."""
    from engines.api import FRAMEWORK_CHOICES, TrainConfig, problem as reason_against, user_path

    settings, wrong = {}, []
    for name, value in remembered.items():
        if name == "framework":
            reason = None if value in (*FRAMEWORK_CHOICES,) else f"must be one of {', '.join(FRAMEWORK_CHOICES)}"
        elif name in TrainConfig.__dataclass_fields__:
            reason = reason_against(name, value)
        elif name != "theme":
            reason = "is no setting"
        else:
            continue
        if reason:
            wrong.append(f"{name} {reason}")
        else:
            settings[name] = str(user_path(value)) if name == "data_dir" and value else value
    return settings, wrong


def save(path: Path, settings: Mapping[str, Any]) -> None:
    """Keep these, in one go; what is no setting (a date, a table, a name of several words) somebody else wrote, and is left out.

    Raises OSError, and ValueError for text that can't be written.
    """
    kept = {
        name: value for name, value in settings.items() if name.isascii() and name.isidentifier() and _is_plain(value)
    }
    lines = "".join(f"{name} = {_toml(value)}\n" for name, value in kept.items())
    from engines.api import write_atomically  # the first paint waits for what is imported above

    path.parent.mkdir(parents=True, exist_ok=True)
    if problem(path):
        os.replace(path, path.with_name(DAMAGED))
    write_atomically(path, lambda part: part.write_text(_HEAD + lines, encoding="utf-8"))


def _as_it_was_kept_before(config: Path) -> dict[str, Any]:
    """The table of config.toml that was ours until there was a file for it, less the interpreters that its user added below."""
    from engines.api import ConfigFileError, read_toml

    try:
        table = read_toml(config).get("remembered", {})
    except (OSError, ConfigFileError):
        return {}
    ours = table if isinstance(table, dict) else {}
    return {name: value for name, value in ours.items() if not name.endswith("_python")}


def _is_plain(value: Any) -> bool:
    """Whether it is a text, a switch or a number; JSON has no word that TOML, too, has for infinity."""
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _toml(value: Any) -> str:
    """A number, a switch or a text as TOML writes it; JSON's strings are TOML's, but for DEL."""
    import json

    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
