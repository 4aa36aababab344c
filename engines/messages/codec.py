"""One JSON object a line: how events and commands cross the pipe and rest in `events.jsonl`.

Strict JSON: NaN and infinities travel as the strings "NaN", "Infinity" and "-Infinity". Unknown fields are ignored, so that an
older reader understands a newer writer; anything else that does not fit raises ProtocolError. Standard library only.
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
"""A longer line is not ours."""
MOST = 2**63
"""Whole numbers reach as far as 64 bits: no count of ours needs more, and arrays and the files of others hold no more."""

_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class ProtocolError(ValueError):
    """A line that is not an event or a command."""


def encode(message: Event | Command) -> str:
    """The message as one line of JSON, without its newline."""
    return json.dumps({"type": type(message).__name__, **_plain(message)}, separators=(",", ":"), allow_nan=False)


def decode_event(line: str | bytes) -> Event:
    """The event in `line`. Raises ProtocolError."""
    return typing.cast(Event, _decode(line, EVENTS))


def decode_command(line: str | bytes) -> Command:
    """The command in `line`. Raises ProtocolError."""
    return typing.cast(Command, _decode(line, COMMANDS))


def to_plain(message: Any) -> Any:
    """A message, a config, or any nest of them as plain JSON values."""
    return _plain(message)


def from_plain(kind: type[Any], fields: dict[str, Any]) -> Any:
    """The inverse of `to_plain`, ignoring unknown fields. Raises ProtocolError."""
    return _build(kind, fields)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return (
            value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        )
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


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
    return _build(kind, fields)


def _build(kind: type[Any], fields: dict[str, Any]) -> Any:
    known = {}
    for name, hint in _hints(typing.cast(Hashable, kind)).items():
        if name in fields:
            try:
                known[name] = _convert(hint, fields[name])
            except ProtocolError as error:
                raise ProtocolError(f"{kind.__name__}.{name}: {error}") from error
    try:
        return kind(**known)
    except TypeError as error:
        raise ProtocolError(str(error)) from error


@cache
def _hints(kind: Hashable) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _convert(hint: Any, value: Any) -> Any:
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
            return _build(typing.cast("type[Any]", hint), value)
    elif type(value) is hint:
        if isinstance(value, int) and not -MOST <= value < MOST:
            raise ProtocolError("a whole number beyond 64 bits")
        return value
    raise ProtocolError(f"{value!r:.40} is not {getattr(hint, '__name__', hint)}")
