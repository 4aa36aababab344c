"""The rate of frames, with a simulated clock."""

from __future__ import annotations

from tui.frame_clock import CURVES_EVERY, FIGURES_EVERY, MAX_TICKS_PER_FRAME, RECOVERY_TICKS, FrameClock, FrameThrottle


def frames(throttle: FrameThrottle, start: float, step: float, ticks: int) -> int:
    """Return how many of the ticks, `step` seconds apart, are frames."""
    return sum(throttle.is_frame(start + i * step) for i in range(ticks))


def test_punctual_ticks_are_all_frames() -> None:
    assert frames(FrameThrottle(0.1), 0.0, 0.1, 50) == 50


def test_late_ticks_are_throttled_but_never_all() -> None:
    throttle = FrameThrottle(0.1)
    frames(throttle, 0.0, 0.3, 200)
    assert throttle.ticks_per_frame == MAX_TICKS_PER_FRAME
    assert frames(throttle, 60.0, 0.3, 50) == 50 // MAX_TICKS_PER_FRAME


def test_one_late_tick_changes_nothing() -> None:
    throttle = FrameThrottle(0.1)
    frames(throttle, 0.0, 0.1, 20)
    assert throttle.is_frame(2.3)
    assert frames(throttle, 2.4, 0.1, 20) == 20


def test_the_rate_recovers_with_punctual_ticks() -> None:
    throttle = FrameThrottle(0.1)
    frames(throttle, 0.0, 0.3, 200)
    frames(throttle, 60.0, 0.1, MAX_TICKS_PER_FRAME * RECOVERY_TICKS + 20)
    assert throttle.ticks_per_frame == 1


def test_figures_and_curves_are_drawn_at_their_intervals() -> None:
    frames, shown = FrameClock(), list[tuple[int, set[str], bool]]()
    for number in range(1, 2 * CURVES_EVERY + 1):
        if number == CURVES_EVERY + 1:
            frames.mark_stale(["keras"])
        frames.draw(lambda stale, with_curves, number=number: shown.append((number, set(stale), with_curves)))  # type: ignore[misc]
    assert [number for number, *_ in shown] == list(range(FIGURES_EVERY, 2 * CURVES_EVERY + 1, FIGURES_EVERY))
    assert [number for number, _, with_curves in shown if with_curves] == [CURVES_EVERY, 2 * CURVES_EVERY]
    assert {number for number, stale, _ in shown if stale} == {8, 10, 12}, "until the curves are drawn"
    assert frames.stale == set()


def test_frames_per_second_are_limited() -> None:
    assert [FrameClock(fps).fps for fps in (0, 2, 1000)] == [1, 2, 60]
