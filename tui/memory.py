"""What the app remembers between starts, in a file of its own beside config.toml, which is the user's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FILE = "remembered.toml"
"""Beside config.toml, which is never written."""
_HEAD = "# Written anew by mnist-tui whenever the settings are kept. What you set yourself belongs into config.toml.\n"


def load(path: Path) -> dict[str, Any]:
    """The settings as they were left; empty when there are none, or the file can't be read."""
    try:
        return _read(path)
    except FileNotFoundError:
        return _as_it_was_kept_before(path.with_name("config.toml"))
    except (OSError, ValueError, RecursionError):
        return {}


def save(path: Path, settings: Mapping[str, Any]) -> None:
    """Keep these, in one go; what is no setting (a date, a table, a name of several words) somebody else wrote, and is left out.

    Raises OSError, and ValueError for text that can't be written.
    """
    kept = {
        name: value for name, value in settings.items() if name.isascii() and name.isidentifier() and _is_plain(value)
    }
    lines = "".join(f"{name} = {_toml(value)}\n" for name, value in kept.items())
    from engines.api import write_whole  # the first paint waits for what is imported above

    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, lambda part: part.write_text(_HEAD + lines, encoding="utf-8"))


def _read(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    import tomllib  # for whoever has such a file alone: the first paint waits for it

    return tomllib.loads(text)


def _as_it_was_kept_before(config: Path) -> dict[str, Any]:
    """The table of config.toml that was ours until there was a file for it, less the interpreters that its user added below."""
    try:
        table = _read(config).get("remembered", {})
    except (OSError, ValueError, RecursionError):
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
