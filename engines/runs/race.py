"""Which engine is ahead in a race, and by how many seconds."""

from __future__ import annotations

from engines.record import Record
from engines.runs.history import RunHistory


class RaceLead(Record, kw_only=False):
    """Who is ahead in a race. Places are compared by steps, gaps in seconds since each was asked for."""

    engine: str
    steps: int
    seconds: float
    """Ago that the leader stood where the other stands now."""
    changes: int
    """How often the lead has changed hands, by more than CLEAR_SECONDS each time."""


CLEAR_SECONDS = 0.2
"""A lead shorter than this has not changed hands: both report only some twenty times a second."""


def lead(a: RunHistory, b: RunHistory) -> RaceLead | None:
    """None before both have made a step."""
    import numpy as np

    if not (len(a.step_seconds) and len(b.step_seconds)):
        return None
    (steps_a, seconds_a), (steps_b, seconds_b) = (
        (np.array(h.step_seconds.xs), np.array(h.step_seconds.ys)) for h in (a, b)
    )
    both = np.union1d(steps_a, steps_b)
    both = both[(both <= min(steps_a[-1], steps_b[-1])) & (both >= max(steps_a[0], steps_b[0]))]
    behind = np.interp(both, steps_a, seconds_a) - np.interp(both, steps_b, seconds_b)  # above 0: b was there first
    clear = np.sign(behind[np.abs(behind) > CLEAR_SECONDS])
    changes = int(np.count_nonzero(np.diff(clear)))
    first, second = sorted((a, b), key=lambda h: (-h.global_step, h.step_seconds.last or (0.0, 0.0)))
    was_there = float(np.interp(second.global_step, first.step_seconds.xs, first.step_seconds.ys))
    last = second.step_seconds.last or (0.0, 0.0)
    return RaceLead(first.engine, first.global_step - second.global_step, max(last[1] - was_there, 0.0), changes)
