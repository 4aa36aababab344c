"""What runs should have left on disk and did not, in sentences."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from engines.messages.events import SaveFailed
from engines.paths import OTHER_HOME

if TYPE_CHECKING:
    from engines.runs.history import RunHistory

_WHAT = {
    "run": "This run is not kept, nor are its checkpoints and models",
    "record": "The record of this run breaks off here",
    "summary": "This run has no summary",
}


def save_failure(event: SaveFailed) -> str:
    """What is not on disk, and why; the reason goes before the path, which may be cut off."""
    hint = f" {OTHER_HOME}" if event.what == "run" else ""
    return f"{_WHAT.get(event.what, f'The {event.what} could not be saved')}: {event.reason}, in {event.path}.{hint}"


def save_failures(histories: Iterable[RunHistory]) -> list[str]:
    """A sentence for each file that is not there in the end; engines that share a record share its sentence."""
    failures = (failure for history in histories for failure in history.unsaved.values())
    return list(dict.fromkeys(save_failure(failure) for failure in failures))
