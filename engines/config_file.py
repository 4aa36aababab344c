"""TOML files of the user's: read as people's editors write them, and what is wrong in config.toml, with its place."""

from __future__ import annotations

import codecs
import os
import re
from pathlib import Path
from typing import Any

KEYS = ("pytorch_python", "keras_python")
"""What config.toml may set, all of it text."""
FORMER_TABLE = "remembered"
"""The table that the app itself once kept at the end of config.toml."""


class ConfigFileError(ValueError):
    """A file that is no TOML; the message says what is wrong and where, as the end of a sentence."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file in UTF-8, with or without a byte order mark. Raises OSError and ConfigFileError."""
    return _parse(_read_text(path))


def config_problems(path: Path) -> list[str]:
    """What in config.toml is not used, and why: a sentence each, with line and column; empty when there is no such file."""
    if not os.path.lexists(path):
        return []
    try:
        text = _read_text(path)
        found = _parse(text)
    except OSError as error:
        return [f"{path} can't be read: {error.strerror or error}."]
    except ConfigFileError as error:
        return [f"{path} is not used: {error}."]
    problems = []
    for key, value in found.items():
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
        raise ConfigFileError(f"what stands there is not UTF-8 (at line {line}, column {column})") from error


def _parse(text: str) -> dict[str, Any]:
    import tomllib  # the first paint waits for it only where there is such a file

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        raise ConfigFileError(message[:1].lower() + message[1:]) from error
    except (ValueError, RecursionError) as error:
        raise ConfigFileError(str(error)) from error


def _place(text: str, key: str) -> str:
    """Where a key of the file stands; empty where it is written in another way than usual."""
    found = re.search(rf"^[ \t\[]*[\"']?({re.escape(key)})[\"']?[ \t]*[=.\]]", text, re.MULTILINE)
    if found is None:
        return ""
    begin = found.start(1)
    return f", line {text.count(chr(10), 0, begin) + 1}, column {begin - text.rfind(chr(10), 0, begin)}"
