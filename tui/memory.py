"""What the app remembers between starts: the `[remembered]` table of config.toml; every other line of that file is the user's."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomllib

TABLE = "remembered"
_OURS = re.compile(rf"^\[{TABLE}\][^\n]*\n.*?(?=^\[|\Z)", re.MULTILINE | re.DOTALL)


def load(path: Path) -> dict[str, Any]:
    """The settings as they were left; empty when there are none, or the file can't be read."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8")).get(TABLE, {})
    except (OSError, ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}


def save(path: Path, settings: Mapping[str, Any]) -> None:
    """Replace the table, and nothing else, in one go. Raises OSError, and ValueError for a file that is not TOML."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    tomllib.loads(text)  # what can't be read may not be written over
    kept = _OURS.sub("", text).rstrip("\n")
    table = "\n".join([f"[{TABLE}]", *(f"{name} = {_toml(value)}" for name, value in settings.items())])
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(f"{kept}\n\n{table}\n" if kept else f"{table}\n", encoding="utf-8")
    os.replace(part, path)


def _toml(value: Any) -> str:
    """A number, a switch or a text as TOML writes it; JSON's strings are TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
