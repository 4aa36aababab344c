"""What waits for the screen: all of it, in order, and never without end."""

from __future__ import annotations

from engines.events import Heartbeat, RunPaused, RunResumed
from tui.inbox import LIMIT, Inbox


def test_everything_comes_once_and_in_order() -> None:
    inbox = Inbox()
    events = [Heartbeat(engine="keras", seq=i) for i in range(LIMIT)]
    for event in events:
        inbox.put(event)
    assert inbox.take() == events
    assert inbox.take() == []


def test_a_screen_that_takes_nothing_misses_figures_and_no_state() -> None:
    """An hour and more of a stalled terminal: evenly thinned out, with the newest."""
    inbox, states = Inbox(), (RunPaused, RunResumed)
    for i in range(200_000):
        inbox.put(states[i // 1000 % 2](engine="keras", seq=i) if i % 1000 == 0 else Heartbeat(engine="keras", seq=i))
        assert len(inbox._events) <= LIMIT
    taken = inbox.take()
    assert [event.seq for event in taken if isinstance(event, states)] == list(range(0, 200_000, 1000))
    assert [event.seq for event in taken] == sorted(event.seq for event in taken)
    assert taken[-1].seq == 199_999
    assert len(taken) > LIMIT / 4
