"""What waits for the screen: all of it, in order, and never without end."""

from __future__ import annotations

from engines.messages.events import Heartbeat, RunPaused, RunResumed
from engines.session.inbox import CAPACITY, STALLED_SECONDS, Inbox


def test_everything_comes_once_and_in_order() -> None:
    inbox = Inbox()
    events = [Heartbeat(engine="keras", seq=i) for i in range(CAPACITY)]
    for event in events:
        inbox.put(event)
    assert inbox.drain() == events
    assert inbox.drain() == []


def test_a_screen_that_takes_nothing_misses_figures_and_no_state() -> None:
    """An hour and more of a stalled terminal: evenly thinned out, with the newest."""
    now = 0.0
    inbox, states = Inbox(lambda: now), (RunPaused, RunResumed)
    now = STALLED_SECONDS + 1
    for i in range(200_000):
        inbox.put(states[i // 1000 % 2](engine="keras", seq=i) if i % 1000 == 0 else Heartbeat(engine="keras", seq=i))
        assert len(inbox._events) <= CAPACITY
    taken = inbox.drain()
    assert [event.seq for event in taken if isinstance(event, states)] == list(range(0, 200_000, 1000))
    assert [event.seq for event in taken] == sorted(event.seq for event in taken)
    assert taken[-1].seq == 199_999
    assert len(taken) > CAPACITY / 4


def test_the_past_of_a_long_run_is_told_whole() -> None:
    """At once, to a screen that takes what comes."""
    inbox = Inbox(lambda: 0.0)
    for i in range(5 * CAPACITY):
        inbox.put(Heartbeat(engine="keras", seq=i))
    assert len(inbox.drain()) == 5 * CAPACITY


def test_no_engine_is_thinned_out_for_the_other() -> None:
    now = 0.0
    inbox = Inbox(lambda: now)
    now = STALLED_SECONDS + 1
    for i in range(50_000):
        inbox.put(Heartbeat(engine=("keras", "pytorch")[i % 2], seq=i))
    engines = [event.engine for event in inbox.drain()]
    assert abs(engines.count("keras") - engines.count("pytorch")) < 10
