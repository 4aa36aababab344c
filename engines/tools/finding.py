"""One line of the doctor's report, and the command that fixes a known error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from engines.errors import reason
from engines.ulimits import limit_in

LOW_SPACE_BYTES = 2_000_000_000
"""Free GPU memory or disk space below this is reported."""

_REMEDIES = {
    "temporary directory": "export TMPDIR=/a/folder/that/can/be/written",
    "Too many open files": "ulimit -n 4096",
    "No space left": "df -h",
}
"""Maps a part of an error's text to the command that fixes it, or shows its cause."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    subject: str
    state: str
    """"ok", "note" or "bad"; "bad" means that a chosen engine can't run as it should."""
    text: str
    fix: str = ""
    """The command that fixes it."""


def run_check(subject: str, check: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """Yield the findings of `check`; an exception becomes a "bad" finding, because then nothing was checked."""
    try:
        yield from check()
    except Exception as error:
        yield unchecked(subject, error)


def unchecked(subject: str, error: Exception) -> Finding:
    """Return the finding that a check could not run."""
    text = reason(error)
    return Finding(subject, "bad", f"could not be checked: {text}", remedy(text))


def remedy(text: str) -> str:
    """Return the command that fixes the error with this text, or the limit to raise; empty when neither is known."""
    return next((command for cause, command in _REMEDIES.items() if cause in text), "") or limit_in(text)
