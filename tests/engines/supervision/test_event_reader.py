"""Reading a worker's events: what can't be used is dropped with a warning."""

from __future__ import annotations

from engines.messages.codec import MAX_LINE_BYTES, encode
from engines.messages.events import EpochStarted
from engines.supervision import event_reader
from engines.supervision.event_reader import EventReader


def _line(seq: int, engine: str = "keras") -> bytes:
    return encode(EpochStarted(engine=engine, t=1.0, run_id="r", seq=seq, epoch=1, order_sha256="")).encode() + b"\n"


def _read(data: bytes) -> tuple[list[int], list[str]]:
    """Return the numbers of the events in `data`, and the warnings."""
    warnings: list[str] = []
    reader = EventReader("keras", warnings.append)
    numbers = [event.seq for event in reader.feed(data)]
    reader.finish()
    return numbers, warnings


def test_events_are_read_in_order() -> None:
    assert _read(_line(1) + b"\n" + _line(2)) == ([1, 2], [])


def test_a_gap_in_the_numbers_is_reported() -> None:
    assert _read(_line(1) + _line(4)) == ([1, 4], ["the worker's stream has lost 2 events"])


def test_unusable_lines_are_dropped() -> None:
    numbers, warnings = _read(b"x\n" + _line(1, "pytorch") + b"x" * MAX_LINE_BYTES + b"\n" + _line(1) + _line(2)[:9])
    assert numbers == [1]
    assert [warning.partition(" ")[0] for warning in warnings] == ["unreadable", "an", "a", "the"]
    assert warnings[-1] == "the worker ended in the middle of an event, which is lost"


def test_too_many_events_have_to_wait() -> None:
    warnings: list[str] = []
    now = [0.0]
    reader = EventReader("keras", warnings.append, clock=lambda: now[0])
    assert reader.may_read()
    burst = event_reader.EVENTS_PER_SECOND * event_reader.BURST_SECONDS
    assert sum(1 for _ in reader.feed(b"".join(map(_line, range(1, 2 * burst))))) == 2 * burst - 1
    assert not reader.may_read()
    assert not reader.may_read()
    (warning,) = warnings
    assert warning.endswith("events a second, and has to wait")
    now[0] = event_reader.BURST_SECONDS
    assert reader.may_read()
