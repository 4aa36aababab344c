"""How often the app draws, by a clock that the test turns."""

from __future__ import annotations

from tui.frame_clock import RECOVERY_TICKS, SLOWEST, Pace


def frames(pace: Pace, start: float, step: float, ticks: int) -> int:
    """How many of so many ticks, `step` seconds apart, are frames."""
    return sum(pace.draws(start + i * step) for i in range(ticks))


def test_ticks_in_time_are_all_frames() -> None:
    assert frames(Pace(0.1), 0.0, 0.1, 50) == 50


def test_late_ticks_are_thinned_out_but_never_all() -> None:
    pace = Pace(0.1)
    frames(pace, 0.0, 0.3, 200)
    assert pace.every == SLOWEST
    assert frames(pace, 60.0, 0.3, 50) == 50 // SLOWEST


def test_one_hiccup_changes_nothing() -> None:
    pace = Pace(0.1)
    frames(pace, 0.0, 0.1, 20)
    assert pace.draws(2.3)
    assert frames(pace, 2.4, 0.1, 20) == 20


def test_ticks_in_time_again_are_all_frames_again() -> None:
    pace = Pace(0.1)
    frames(pace, 0.0, 0.3, 200)
    frames(pace, 60.0, 0.1, SLOWEST * RECOVERY_TICKS + 20)
    assert pace.every == 1
