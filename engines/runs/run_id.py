"""Run ids. An id starts with the time at which the run started, in UTC: runs sort by their ids everywhere."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)(?:-(\d{3})Z-)?", re.ASCII)
"""Year to second; milliseconds and a Z follow in UTC. Without them, the time is local to the machine that ran it."""


def utc_prefix(moment: datetime) -> str:
    """Return the start of the id of a run that starts at that moment, to the millisecond."""
    utc = moment.astimezone(timezone.utc)
    return f"{utc:%Y%m%d-%H%M%S}-{utc.microsecond // 1000:03d}Z-"


def has_utc_prefix(run_id: str) -> bool:
    """Return whether the id alone determines when the run started."""
    match = _TIME.match(run_id)
    return match is not None and match[7] is not None


def start_time(run_id: str, created: Any) -> float:
    """Return when a run started, in seconds since 1970; 0 when unknown.

    `created` is the entry of its config.json, in ISO 8601; it counts where the id is not in UTC.
    """
    if not has_utc_prefix(run_id) and (recorded := _parse(created)) is not None and recorded.tzinfo is not None:
        return recorded.timestamp()
    match = _TIME.match(run_id)
    if match is None:
        return 0.0
    *fields, milliseconds = match.groups()
    try:
        year, month, day, hour, minute, second = map(int, fields)
        zone = timezone.utc if milliseconds else None
        return datetime(year, month, day, hour, minute, second, 1000 * int(milliseconds or 0), zone).timestamp()
    except (ValueError, OverflowError, OSError):
        return 0.0


def local_time(created: Any) -> str:
    """Return a config.json's `created` as this machine's local time, in ISO 8601; empty when it is no time."""
    moment = _parse(created)
    if moment is None:
        return ""
    return (moment.astimezone() if moment.tzinfo else moment).isoformat(timespec="seconds")


def _parse(created: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(created)
        moment.timestamp()  # raises for a year outside the clock's range
    except (TypeError, ValueError, OverflowError, OSError):
        return None
    return moment
