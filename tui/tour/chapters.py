"""The chapters of a tour, read from a TOML file; a mistake in it is an error that names the file, the chapter and the field."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from engines.api import ConfigFileError, Record, read_toml
from tui import formatting
from tui.commands import LOOK, SCREENS, Command
from tui.widgets.key_bar import CAPTION_COLUMNS

DEMO_TOUR = Path(__file__).with_name("demo.toml")
"""The tour that is shipped, over the recording that is."""
PROOF = "proof"
"""The screen of the recorded parity proof, which has no number."""
MOST_SECONDS = 600.0
"""The longest stay in a chapter."""


class TourError(Exception):
    """The file holds no tour; the message says where it is wrong and what to do, as a sentence."""


class Chapter(Record):
    """A state of the app that can be entered from anywhere."""

    screen: str
    """A name in SCREENS, or PROOF."""
    caption: str
    time: float
    """Seconds from the start of the recording."""
    speed: float = 1.0
    """The recording's speed meanwhile; 0 stands still."""
    seconds: float = 12.0
    """The stay in the chapter before the next one comes by itself."""
    keys: tuple[str, ...] = ()
    """The keys that are pressed on the screen at the start."""
    digit: int | None = None
    """The digit that is drawn on Draw, or shown on Inside."""


class Tour(Record):
    """Chapters, and the recording that they are about."""

    chapters: tuple[Chapter, ...]
    recording: str = "demo"
    """A saved run, its folder, an events.jsonl, or "demo"."""


def read_tour(path: Path) -> Tour:
    """Read a tour from a TOML file. Raises TourError."""
    try:
        table = read_toml(path)
    except OSError as error:
        raise TourError(f"{path} can't be read: {error.strerror or error}.") from None
    except ConfigFileError as error:
        raise TourError(f"{path} is no tour: {error}.") from None
    for key in table:
        if key not in ("recording", "chapter"):
            raise TourError(f"{path}: there is no field {key!r}; a tour has a recording and [[chapter]] tables.")
    recording, tables = table.get("recording", Tour.recording), table.get("chapter", [])
    if not isinstance(recording, str) or not recording:
        raise TourError(f"{path}, recording: it must be the name of a saved run, in quotes.")
    if not isinstance(tables, list) or not tables or not all(isinstance(one, dict) for one in tables):
        raise TourError(f"{path}: it has no chapters; write [[chapter]] above each one.")
    chapters = []
    for number, one in enumerate(tables, 1):
        try:
            chapters.append(_chapter(one))
        except _FieldError as error:
            raise TourError(f"{path}, chapter {number}, {error}.") from None
    return Tour(chapters=tuple(chapters), recording=recording)


def commands_on(screen: str) -> dict[str, Command]:
    """Return the commands that a chapter's keys can run on a screen, by key."""
    commands = SCREENS[screen].commands if screen in SCREENS else ()
    shared = LOOK if screen == "train" else ()
    return {key: command for command in (*shared, *commands) for key in command.keys.split(",")}


class _FieldError(Exception):
    """A field is wrong: its name and what it must be."""


def _chapter(table: Mapping[str, Any]) -> Chapter:
    """Read a chapter. Raises _FieldError."""
    for name in table:
        if name not in _FIELDS:
            raise _FieldError(f"{name}: there is no such field; the fields are {', '.join(_FIELDS)}")
    for name in ("screen", "caption", "time"):
        if name not in table:
            raise _FieldError(f"{name}: it is missing")
    values = {}
    for name, value in table.items():
        try:
            values[name] = _FIELDS[name](value)
        except ValueError as error:
            raise _FieldError(f"{name}: {error}") from None
    chapter = Chapter(**values)
    known = commands_on(chapter.screen)
    for key in chapter.keys:
        if key not in known:
            some = f"the keys are {', '.join(known)}" if known else "it has none for a tour"
            raise _FieldError(f"keys: {chapter.screen} has no key {key!r}; {some}")
    if chapter.digit is not None and chapter.screen not in ("draw", "inside"):
        raise _FieldError("digit: only draw and inside show one")
    if chapter.digit is None and chapter.screen == "inside":
        raise _FieldError("digit: inside needs one, 0 to 9")
    return chapter


def _screen(value: Any) -> str:
    names = (*SCREENS, PROOF)
    if value not in names:
        raise ValueError(f"there is no screen {value!r}; the screens are {', '.join(names)}")
    return str(value)


def _caption(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("it must be a sentence in quotes")
    if "\n" in value or value != formatting.to_plain_text(value):
        raise ValueError("it must be one line of plain text")
    if (columns := cell_len(value)) > CAPTION_COLUMNS:
        raise ValueError(f"it has {columns} columns, and only {CAPTION_COLUMNS} fit on one line")
    return value


def _number(least: float, most: float) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        if not least <= number <= most:
            raise ValueError(f"it must be a number from {least:g} to {most:g}")
        return number

    return read


def _keys(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(key, str) for key in value):
        raise ValueError('it must be a list of keys, such as ["o", "shift+tab"]')
    return tuple(value)


def _digit(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 9:
        raise ValueError("it must be a digit from 0 to 9")
    return value


_FIELDS: dict[str, Callable[[Any], Any]] = {
    "screen": _screen,
    "caption": _caption,
    "time": _number(0.0, 1e9),
    "speed": _number(0.0, 100.0),
    "seconds": _number(0.1, MOST_SECONDS),
    "keys": _keys,
    "digit": _digit,
}
"""The function that reads each field; it raises ValueError with the reason."""
