"""Flow control with a fake clock, and answers of the terminal that are never read as keys."""

from __future__ import annotations

import pytest
from textual import events
from textual._xterm_parser import XTermParser

from tui.terminal.driver import QUERY
from tui.terminal.flow_control import ANSWER_TIMEOUT_SECONDS, RELEASE_TIMEOUT_SECONDS, FlowControl


class Clock:
    """A clock that the test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def flow(clock: Clock) -> FlowControl:
    """Return the flow control of a terminal that has answered the first query."""
    flow = FlowControl(clock)
    flow.record_query()
    flow.record_answer()
    return flow


def test_the_next_frame_waits_for_the_answer(flow: FlowControl, clock: Clock) -> None:
    assert flow.may_draw()
    flow.record_query()
    clock.now += ANSWER_TIMEOUT_SECONDS - 1
    assert not flow.may_draw()
    flow.record_answer()
    assert flow.may_draw()


def test_a_lost_answer_is_waited_for_once(flow: FlowControl, clock: Clock) -> None:
    flow.record_query()
    clock.now += ANSWER_TIMEOUT_SECONDS
    assert flow.may_draw()
    flow.record_query()
    assert not flow.may_draw()


def test_a_terminal_that_never_answers_delays_no_frame(clock: Clock) -> None:
    flow = FlowControl(clock)
    flow.record_query()
    assert flow.may_draw()
    assert not flow.answers, "so it gets no more queries"


def test_an_answer_that_is_late_counts(clock: Clock) -> None:
    flow = FlowControl(clock)
    flow.record_query()
    clock.now += 60
    flow.record_answer()
    assert flow.answers


def test_release_waits_for_an_outstanding_answer_but_not_long(flow: FlowControl, clock: Clock) -> None:
    assert flow.may_release(clock.now)
    flow.record_query()
    clock.now += 5
    since = clock.now
    assert not flow.may_release(since)
    clock.now += RELEASE_TIMEOUT_SECONDS
    assert flow.may_release(since)


def test_release_does_not_wait_for_a_terminal_that_never_answers(clock: Clock) -> None:
    flow = FlowControl(clock)
    flow.record_query()
    assert not flow.may_release(clock.now), "the query was just sent"
    clock.now += RELEASE_TIMEOUT_SECONDS
    assert flow.may_release(clock.now)


@pytest.mark.parametrize("after", ["\x1b", "\x1b[200~pasted\x1b[201~", "k"])
def test_an_answer_is_one_event_and_no_key(after: str) -> None:
    """Textual's parser recognises this answer, unlike others, whatever comes before it."""
    assert QUERY == "\x1b[6n"
    parser = XTermParser()
    before = list(parser.feed(after))
    answered = [*parser.feed("\x1b[40;120R"), *parser.feed("x")]
    assert [type(event) for event in answered if not isinstance(event, events.Key)] == [events.CursorPosition]
    keys = [event.key for event in (*before, *answered) if isinstance(event, events.Key)]
    assert keys == {"\x1b": ["escape", "x"], "k": ["k", "x"]}.get(after, ["x"])
