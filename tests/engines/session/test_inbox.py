"""The inbox: all events in order, and a bounded number of them while the screen is stalled."""

from __future__ import annotations

from engines.messages.events import Heartbeat, RunPaused, RunResumed
from engines.session.inbox import CAPACITY, STALLED_SECONDS, Inbox


def test_every_event_comes_once_and_in_order() -> None:
    inbox = Inbox()
    events = [Heartbeat(engine="keras", seq=i) for i in range(CAPACITY)]
    for event in events:
        inbox.put(event)
    assert inbox.drain() == events
    assert inbox.drain() == []


def test_a_stalled_screen_misses_figures_but_no_state() -> None:
    """More than an hour of figures is thinned out evenly, and the newest stays."""
    now = 0.0
    inbox, states = Inbox(lambda: now), (RunPaused, RunResumed)
    now = STALLED_SECONDS + 1
    for i in range(200_000):
        inbox.put(states[i // 1000 % 2](engine="keras", seq=i) if i % 1000 == 0 else Heartbeat(engine="keras", seq=i))
        assert len(inbox._events) <= CAPACITY
    events = inbox.drain()
    assert [event.seq for event in events if isinstance(event, states)] == list(range(0, 200_000, 1000))
    assert [event.seq for event in events] == sorted(event.seq for event in events)
    assert events[-1].seq == 199_999
    assert len(events) > CAPACITY / 4


def test_the_past_of_a_long_run_is_not_thinned() -> None:
    """A resumed run sends it at once, to a screen that is not stalled."""
    inbox = Inbox(lambda: 0.0)
    for i in range(5 * CAPACITY):
        inbox.put(Heartbeat(engine="keras", seq=i))
    assert len(inbox.drain()) == 5 * CAPACITY


def test_engines_are_thinned_out_equally() -> None:
    now = 0.0
    inbox = Inbox(lambda: now)
    now = STALLED_SECONDS + 1
    for i in range(50_000):
        inbox.put(Heartbeat(engine=("keras", "pytorch")[i % 2], seq=i))
    engines = [event.engine for event in inbox.drain()]
    assert abs(engines.count("keras") - engines.count("pytorch")) < 10
