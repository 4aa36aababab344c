"""A run's name, which begins with the moment when the run began, in UTC: the order of names is the order of runs everywhere."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)(?:-(\d{3})Z-)?", re.ASCII)
"""Year to second; the milliseconds and a Z follow where it is in UTC, and not in the local time of its maker, as once."""


def utc_prefix(moment: datetime) -> str:
    """The beginning of the name of a run that began at that moment, to the millisecond."""
    utc = moment.astimezone(timezone.utc)
    return f"{utc:%Y%m%d-%H%M%S}-{utc.microsecond // 1000:03d}Z-"


def is_utc(run: str) -> bool:
    """Whether the name alone tells when the run began."""
    moment = _MOMENT.match(run)
    return moment is not None and moment[7] is not None


def began(run: str, created: Any) -> float:
    """When a run began, in seconds since 1970; 0 when nothing tells.

    `created` is what its config.json says, in ISO 8601: it counts where the name is not in UTC.
    """
    if not is_utc(run) and (recorded := _parse(created)) is not None and recorded.tzinfo is not None:
        return recorded.timestamp()
    moment = _MOMENT.match(run)
    if moment is None:
        return 0.0
    *fields, milliseconds = moment.groups()
    try:
        year, month, day, hour, minute, second = map(int, fields)
        zone = timezone.utc if milliseconds else None
        return datetime(year, month, day, hour, minute, second, 1000 * int(milliseconds or 0), zone).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def local_time(created: Any) -> str:
    """What config.json says of the moment as this machine's local time, in ISO 8601; empty when it is no moment."""
    moment = _parse(created)
    if moment is None:
        return ""
    return (moment.astimezone() if moment.tzinfo else moment).isoformat(timespec="seconds")


def _parse(created: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(created)
        moment.timestamp()  # raises for a year that no clock tells
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return moment
