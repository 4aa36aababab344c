"""Sentences about the files that a run could not write."""

from __future__ import annotations

from collections.abc import Iterable

from engines.messages.events import SaveFailed
from engines.paths import OTHER_RUNS_DIR
from engines.runs.run_state import RunState

_LOSSES = {
    "run": "This run is not kept, nor are its checkpoints and models",
    "record": "The record of this run breaks off here",
    "summary": "This run has no summary",
}


def describe_save_failure(event: SaveFailed) -> str:
    """Return a sentence on what is not on disk and why; the reason stands before the path, which may be cut off."""
    hint = f" {OTHER_RUNS_DIR}" if event.what == "run" else ""
    loss = _LOSSES.get(event.what, f"The {event.what} could not be saved")
    return f"{loss}: {event.reason}, in {event.path}.{hint}"


def describe_save_failures(states: Iterable[RunState]) -> list[str]:
    """Return a sentence for each file that is still missing; engines that share a record share its sentence."""
    failures = (failure for state in states for failure in state.unsaved.values())
    return list(dict.fromkeys(describe_save_failure(failure) for failure in failures))
