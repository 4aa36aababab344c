"""Commands wake the thread that sends them, until the queue is closed."""

from __future__ import annotations

import os

from engines.messages.commands import Pause, Stop
from engines.supervision.command_queue import CommandQueue


def test_a_command_wakes_its_reader() -> None:
    queue = CommandQueue()
    queue.open()
    try:
        assert queue.add(Pause())
        assert os.read(queue.wake_fd, 9) == b"!"
        assert [command for command, _, _ in queue.drain()] == [Pause()]
        assert list(queue.drain()) == []
    finally:
        queue.close()


def test_a_closed_queue_can_be_drained_but_accepts_nothing() -> None:
    queue = CommandQueue()
    assert queue.add(Pause()), "also before it is open"
    queue.close()
    assert not queue.add(Stop())
    assert [command for command, _, _ in queue.drain()] == [Pause()]
    queue.wake()
