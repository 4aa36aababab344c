"""The settings that the app saves for its next start, in a file beside config.toml, which is the user's."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

FILE = "remembered.toml"
"""Its name, beside config.toml, which the app never writes."""
_HEAD = "# mnist-tui overwrites this file whenever it saves settings. Put your own settings into config.toml.\n"
DAMAGED = "remembered.toml.damaged"
"""The name that a file that can't be read gets when a new one is written."""


def default_path() -> Path:
    """Return the path of the file."""
    from engines.api import paths

    return paths.config_file().with_name(FILE)


def load(path: Path) -> dict[str, Any]:
    """Read the saved settings; empty when there are none, or the file can't be read."""
    from engines.api import ConfigFileError, read_toml

    try:
        return read_toml(path)
    except FileNotFoundError:
        return _load_from_config(path.with_name("config.toml"))
    except (OSError, ConfigFileError):
        return {}


def problems(path: Path, invalid: Sequence[str] = ()) -> list[str]:
    """Return a sentence for each problem of the file; `invalid` is the second result of `valid_settings`."""
    sentences = [f"{path}: {'; '.join(invalid)}. The other settings are used."] if invalid else []
    return sentences + list(filter(None, [problem(path)]))


def problem(path: Path) -> str:
    """Return a sentence that says why the file can't be read; empty when it can, or there is none."""
    from engines.api import ConfigFileError, read_toml

    if not os.path.lexists(path):
        return ""
    try:
        read_toml(path)
    except (OSError, ConfigFileError) as error:
        why = error.strerror or error if isinstance(error, OSError) else error
        return f"{path} is not used: {why}. It is renamed to {DAMAGED} when settings are next saved."
    return ""


def valid_settings(saved: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return the saved settings of a run that are valid, and a phrase for each that is not, also for the notices.

    The theme is in neither.
    """
    from engines.api import FRAMEWORK_CHOICES, TrainConfig, problem as problem_with, user_path
    from tui.terminal import osc

    settings, invalid = {}, []
    for name, value in saved.items():
        if name == "framework":
            reason = None if value in (*FRAMEWORK_CHOICES,) else f"must be one of {', '.join(FRAMEWORK_CHOICES)}"
        elif name in TrainConfig.__dataclass_fields__:
            reason = problem_with(name, value)
        elif name == "notices":
            reason = None if value in osc.NOTICES else f"must be one of {', '.join(osc.NOTICES)}"
        elif name != "theme":
            reason = "is no setting"
        else:
            continue
        if reason:
            invalid.append(f"{name} {reason}")
        elif name != "notices":
            settings[name] = str(user_path(value)) if name == "data_dir" and value else value
    return settings, invalid


def notices(saved: Mapping[str, Any]) -> str:
    """Return the saved kind of notice for the end of a run; off when none is saved, or an unknown one."""
    from tui.terminal import osc

    kind = saved.get("notices")
    return str(kind) if kind in osc.NOTICES else osc.OFF


def save(path: Path, settings: Mapping[str, Any]) -> None:
    """Save the settings atomically, without what no setting can be: a date, a table, a name of several words.

    Raises OSError, and ValueError for text that can't be written.
    """
    written = {
        name: value for name, value in settings.items() if name.isascii() and name.isidentifier() and _is_plain(value)
    }
    lines = "".join(f"{name} = {_toml(value)}\n" for name, value in written.items())
    from engines.api import write_atomically  # here, because the first paint waits for the imports above

    path.parent.mkdir(parents=True, exist_ok=True)
    if problem(path):
        os.replace(path, path.with_name(DAMAGED))
    write_atomically(path, lambda part_path: part_path.write_text(_HEAD + lines, encoding="utf-8"))


def _load_from_config(config: Path) -> dict[str, Any]:
    """Read the table of config.toml that held the settings before this file did; its user may have added interpreters."""
    from engines.api import ConfigFileError, read_toml

    try:
        table = read_toml(config).get("remembered", {})
    except (OSError, ConfigFileError):
        return {}
    settings = table if isinstance(table, dict) else {}
    return {name: value for name, value in settings.items() if not name.endswith("_python")}


def _is_plain(value: Any) -> bool:
    """Return whether the value is a text, a switch or a finite number: JSON and TOML write infinity differently."""
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _toml(value: Any) -> str:
    """Write a number, a switch or a text as TOML. JSON's strings are TOML's, but for DEL."""
    import json

    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
