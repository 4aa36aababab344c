"""How often the app draws, by a clock that the test turns."""

from __future__ import annotations

from tui.frame_clock import MAX_TICKS_PER_FRAME, RECOVERY_TICKS, FrameThrottle


def frames(throttle: FrameThrottle, start: float, step: float, ticks: int) -> int:
    """How many of so many ticks, `step` seconds apart, are frames."""
    return sum(throttle.is_frame(start + i * step) for i in range(ticks))


def test_ticks_in_time_are_all_frames() -> None:
    assert frames(FrameThrottle(0.1), 0.0, 0.1, 50) == 50


def test_late_ticks_are_thinned_out_but_never_all() -> None:
    throttle = FrameThrottle(0.1)
    frames(throttle, 0.0, 0.3, 200)
    assert throttle.ticks_per_frame == MAX_TICKS_PER_FRAME
    assert frames(throttle, 60.0, 0.3, 50) == 50 // MAX_TICKS_PER_FRAME


def test_one_hiccup_changes_nothing() -> None:
    throttle = FrameThrottle(0.1)
    frames(throttle, 0.0, 0.1, 20)
    assert throttle.is_frame(2.3)
    assert frames(throttle, 2.4, 0.1, 20) == 20


def test_ticks_in_time_again_are_all_frames_again() -> None:
    throttle = FrameThrottle(0.1)
    frames(throttle, 0.0, 0.3, 200)
    frames(throttle, 60.0, 0.1, MAX_TICKS_PER_FRAME * RECOVERY_TICKS + 20)
    assert throttle.ticks_per_frame == 1
