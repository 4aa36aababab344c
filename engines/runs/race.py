"""The lead in a race: which engine is ahead, and by how many seconds."""

from __future__ import annotations

from engines.record import Record
from engines.runs.history import RunHistory

CLEAR_LEAD_SECONDS = 0.2
"""Seconds below which a lead does not count as one: each engine reports only some twenty times a second."""


class RaceLead(Record, kw_only=False):
    """The engine that is ahead in a race, by steps, and by how much."""

    engine: str
    steps: int
    seconds: float
    """Seconds by which the leader reached the other's last step earlier, each counted from its own RunRequested."""
    changes: int
    """Number of times that the lead changed hands, by more than CLEAR_LEAD_SECONDS each time."""


def lead(a: RunHistory, b: RunHistory) -> RaceLead | None:
    """Return who leads a race; None before both engines have made a step."""
    import numpy as np

    if not (len(a.step_seconds) and len(b.step_seconds)):
        return None
    (steps_a, seconds_a), (steps_b, seconds_b) = (
        (np.array(h.step_seconds.xs), np.array(h.step_seconds.ys)) for h in (a, b)
    )
    steps = np.union1d(steps_a, steps_b)
    steps = steps[(steps <= min(steps_a[-1], steps_b[-1])) & (steps >= max(steps_a[0], steps_b[0]))]
    delay = np.interp(steps, steps_a, seconds_a) - np.interp(steps, steps_b, seconds_b)  # above 0: b was first
    clear = np.sign(delay[np.abs(delay) > CLEAR_LEAD_SECONDS])
    changes = int(np.count_nonzero(np.diff(clear)))
    first, second = sorted((a, b), key=lambda h: (-h.global_step, h.step_seconds.last or (0.0, 0.0)))
    reached = float(np.interp(second.global_step, first.step_seconds.xs, first.step_seconds.ys))
    last = second.step_seconds.last or (0.0, 0.0)
    return RaceLead(first.engine, first.global_step - second.global_step, max(last[1] - reached, 0.0), changes)
