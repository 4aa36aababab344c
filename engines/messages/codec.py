"""Encode and decode events and commands: one JSON object a line, on the pipe and in `events.jsonl`.

Strict JSON: NaN and infinities are encoded as the strings "NaN", "Infinity" and "-Infinity". Unknown fields are ignored, so that
an older reader understands a newer writer; any other mismatch raises ProtocolError. Standard library only.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Hashable
from functools import cache
from typing import Any

from engines.messages.commands import COMMANDS, Command
from engines.messages.events import EVENTS, Event

MAX_LINE_BYTES = 8 * 2**20
"""Readers drop longer lines: no message is that long."""
INTEGER_LIMIT = 2**63
"""Integers are signed 64-bit, the most that numpy arrays and other programs' files hold."""

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class ProtocolError(ValueError):
    """A line that is not an event or a command."""


def encode(message: Event | Command) -> str:
    """Encode a message as one line of JSON, without a newline."""
    return json.dumps({"type": type(message).__name__, **to_plain(message)}, separators=(",", ":"), allow_nan=False)


def type_prefix(kind: type[Event]) -> str:
    """Return the text before the first comma of every encoded event of that type, so that readers can skip lines undecoded."""
    return f'{{"type":"{kind.__name__}"'


def decode_event(line: str | bytes) -> Event:
    """Decode a line into an event. Raises ProtocolError."""
    return typing.cast(Event, _decode(line, EVENTS))


def decode_command(line: str | bytes) -> Command:
    """Decode a line into a command. Raises ProtocolError."""
    return typing.cast(Command, _decode(line, COMMANDS))


def to_plain(value: Any) -> Any:
    """Convert a dataclass, or any nesting of dataclasses, lists and dicts, to plain JSON values."""
    if isinstance(value, float):
        return (
            value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        )
    if dataclasses.is_dataclass(value):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: to_plain(item) for name, item in value.items()}
    return value


def from_plain(kind: type[Any], fields: dict[str, Any]) -> Any:
    """Build the dataclass `kind` from plain JSON values, ignoring unknown fields. Raises ProtocolError."""
    values = {}
    for name, field_type in _field_types(typing.cast(Hashable, kind)).items():
        if name in fields:
            try:
                values[name] = _convert(field_type, fields[name])
            except ProtocolError as error:
                raise ProtocolError(f"{kind.__name__}.{name}: {error}") from error
    try:
        return kind(**values)
    except TypeError as error:
        raise ProtocolError(str(error)) from error


def _decode(line: str | bytes, kinds: dict[str, Any]) -> Any:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise ProtocolError("not a JSON object")
    name = fields.get("type")
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ProtocolError(f"unknown type {name!r}")
    return from_plain(kind, fields)


@cache
def _field_types(kind: Hashable) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _convert(hint: Any, value: Any) -> Any:
    """Return the JSON value as the type hint says. Raises ProtocolError."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        (hint,) = (option for option in typing.get_args(hint) if option is not type(None))
        return _convert(hint, value)
    if origin is tuple:
        if not isinstance(value, list):
            raise ProtocolError("not a list")
        options = typing.get_args(hint)
        if options[-1] is Ellipsis:
            return tuple(_convert(options[0], item) for item in value)
        if len(options) != len(value):
            raise ProtocolError(f"{len(value)} items instead of {len(options)}")
        return tuple(_convert(option, item) for option, item in zip(options, value, strict=True))
    if hint is float:
        if isinstance(value, str) and value in _NON_FINITE:
            return _NON_FINITE[value]
        if isinstance(value, int | float) and not isinstance(value, bool):
            try:
                return float(value)
            except OverflowError:
                raise ProtocolError("a number beyond any float") from None
    elif dataclasses.is_dataclass(hint):
        if isinstance(value, dict):
            return from_plain(typing.cast("type[Any]", hint), value)
    elif type(value) is hint:
        if isinstance(value, int) and not -INTEGER_LIMIT <= value < INTEGER_LIMIT:
            raise ProtocolError("an integer beyond 64 bits")
        return value
    raise ProtocolError(f"{value!r:.40} is not {getattr(hint, '__name__', hint)}")
