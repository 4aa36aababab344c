"""The rows of the table, printed one by one as they come: the widths of the columns don't depend on later rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Check = Callable[[], str]
"""Checks one thing and returns its figure. Raises Skipped for what this machine lacks; any other exception is a failure."""

_WIDTHS = (11, 40, 7, 7, 60)
_MAX_CHARACTERS = 400
"""Characters of the last column, so that a framework's longest messages still fit on a screen."""


class Skipped(Exception):
    """Raised for a check that this machine can't run; the message is the reason."""


class Failed(Exception):
    """Raised for a check that ran and failed; the message is the reason."""


@dataclass(frozen=True)
class Row:
    """The result of one check."""

    subject: str
    """The engine id, or "machine"."""
    check: str
    result: str
    """"passed", "FAILED", "skipped", or "missing" when the whole check ended before."""
    seconds: float | None
    """Seconds that the check took; None when it was not started."""
    text: str
    """The figure, or the reason for any other result."""


def print_header() -> None:
    """Print the head of the table."""
    _print_cells("engine", "check", "result", "seconds", "figure or reason")
    _print_cells(*("-" * width for width in _WIDTHS))


def print_row(row: Row) -> None:
    """Print a row and flush it, so that a reader has it even when the process is killed later."""
    seconds = "" if row.seconds is None else f"{row.seconds:.1f}"
    text = " ".join(row.text.replace("|", "/").split())[:_MAX_CHARACTERS]
    _print_cells(row.subject, row.check, row.result, f"{seconds:>{_WIDTHS[3]}}", text)


def _print_cells(*cells: str) -> None:
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, _WIDTHS, strict=True))
    print(f"| {' | '.join(padded)} |", flush=True)


def run_checks(
    subject: str, checks: Mapping[str, Check], required: tuple[str, ...], report: Callable[[Row], None]
) -> None:
    """Run the checks in order and report a row for each; once a required one has not passed, skip all that follow it."""
    skip_reason = ""
    for name, check in checks.items():
        if skip_reason:
            report(Row(subject, name, "skipped", None, skip_reason))
            continue
        started = time.monotonic()
        try:
            result, text = "passed", check()
        except Skipped as error:
            result, text = "skipped", str(error)
        except Failed as error:
            result, text = "FAILED", str(error)
        except Exception as error:  # a fault of the check or of a library, which must not hide the other rows
            result, text = "FAILED", f"{type(error).__name__}: {error}"
        report(Row(subject, name, result, time.monotonic() - started, text))
        if result != "passed" and name in required:
            skip_reason = text if result == "skipped" else f"the check {name!r} failed"
