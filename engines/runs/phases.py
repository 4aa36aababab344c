"""The phases of an engine, as every screen and every summary names them."""

from __future__ import annotations

OFF = "off"
IMPORTING = "importing"
READY = "ready"
LOADING = "loading data"
BUILDING = "building"
FIRST_STEP = "first step"
TRAINING = "training"
EVALUATING = "evaluating"
PAUSED = "paused"
FINISHED = "finished"
STOPPED = "stopped"
DIVERGED = "diverged"
FAILED = "failed"
INTERRUPTED = "interrupted"
"""The run was cut off: its worker was ended, or its record has no end."""

BEFORE_TRAINING = (IMPORTING, LOADING, BUILDING, FIRST_STEP)
ENDED = (FINISHED, STOPPED, DIVERGED, FAILED, INTERRUPTED)
RESUMABLE = (INTERRUPTED, STOPPED, FAILED)
"""The ways to end after which a run can be resumed from its checkpoint."""

_PHASE_OF_OUTCOME = {"stopped": STOPPED, "diverged": DIVERGED}


def phase_of_outcome(outcome: str) -> str:
    """Return the phase that a run with this outcome ends in; an outcome without a phase of its own is a finish."""
    return _PHASE_OF_OUTCOME.get(outcome, FINISHED)
