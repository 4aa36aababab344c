"""Read the user's TOML files, in the encodings that editors write, and locate what is wrong in config.toml."""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path
from typing import Any

KEYS = ("pytorch_python", "keras_python")
"""The keys of config.toml; all values are text."""
FORMER_TABLE = "remembered"
"""The table that earlier versions of the app wrote at the end of config.toml."""


class ConfigFileError(ValueError):
    """Raised for a file that is not TOML; the message says what is wrong and where, as the end of a sentence."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file in UTF-8, with or without a byte order mark. Raises OSError and ConfigFileError."""
    return _parse(_read_text(path))


def config_problems(path: Path) -> list[str]:
    """Return a sentence, with line and column, for each part of config.toml that is not used; empty when there is no such file."""
    if not os.path.lexists(path):
        return []
    try:
        text = _read_text(path)
        table = _parse(text)
    except OSError as error:
        return [f"{path} can't be read: {error.strerror or error}."]
    except ConfigFileError as error:
        return [f"{path} is not used: {error}."]
    problems = []
    for key, value in table.items():
        if key == FORMER_TABLE and isinstance(value, dict):
            continue
        if key not in KEYS:
            problems.append(f"{path}{_place(text, key)}: there is no setting {key}; use {' or '.join(KEYS)}.")
        elif not isinstance(value, str):
            problems.append(f"{path}{_place(text, key)}: {key} must be a path in quotes.")
    return problems


def _read_text(path: Path) -> str:
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise ConfigFileError("it is in UTF-16; save it in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise ConfigFileError(f"it is not UTF-8 (at line {line}, column {column})") from error


def _parse(text: str) -> dict[str, Any]:
    import tomllib  # slow, so the first paint pays for it only when there is such a file

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        raise ConfigFileError(message[:1].lower() + message[1:]) from error
    except (ValueError, RecursionError) as error:
        raise ConfigFileError(str(error)) from error


def _place(text: str, key: str) -> str:
    """Return the line and column of a key in the file; empty when it is written in an unusual way."""
    match = re.search(rf"^[ \t\[]*[\"']?({re.escape(key)})[\"']?[ \t]*[=.\]]", text, re.MULTILINE)
    if match is None:
        return ""
    start = match.start(1)
    return f", line {text.count(chr(10), 0, start) + 1}, column {start - text.rfind(chr(10), 0, start)}"
