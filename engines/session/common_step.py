"""Choose the step at which running engines change their learning rate, so that it is the same one in all."""

from __future__ import annotations

import math
from collections.abc import Iterable

from engines.runs.history import RunHistory
from engines.runs.phases import PAUSED

LEAD_SECONDS = 1.0
"""Seconds of training until the change: a command is on its way, a call may be under way, and the last event is late."""
PAUSED_LEAD_SECONDS = 0.25
"""The same for paused runs, which have trained a little more than their last event says."""


def step_of_rate_change(histories: Iterable[RunHistory]) -> int:
    """Return the number of steps before the change, which all of these runs have still to reach."""
    return max(history.global_step + _lead_steps(history) for history in histories)


def _lead_steps(history: RunHistory) -> int:
    """Return how many steps the run may train before the command has reached it, at least one."""
    rate, batch_size = history.samples_per_sec(), history.config.batch_size if history.config else 1
    seconds = PAUSED_LEAD_SECONDS if history.phase == PAUSED else LEAD_SECONDS
    return max(math.ceil(seconds * rate / batch_size) if rate is not None and math.isfinite(rate) else 1, 1)
