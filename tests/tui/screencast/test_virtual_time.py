from __future__ import annotations

import asyncio
import time

from textual import _time, notifications

from tui.screencast.virtual_time import VirtualTimeLoop, textual_time


def test_the_clock_jumps_to_the_next_timer() -> None:
    loop = VirtualTimeLoop()
    times: list[float] = []

    async def wait() -> None:
        for seconds in (86_400, 0.25):
            await asyncio.sleep(seconds)
            times.append(loop.time())

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(asyncio.wait_for(wait(), 1e6))
    assert times == [86_400, 86_400.25]


def test_the_clock_waits_for_threads() -> None:
    loop = VirtualTimeLoop()
    done: list[str] = []

    async def both() -> None:
        timer = asyncio.ensure_future(asyncio.sleep(0.001))
        timer.add_done_callback(lambda _: done.append("timer"))
        await asyncio.to_thread(lambda: done.append(f"thread {sum(range(1_000_000))}"[:6]))
        await timer

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(both())
    assert done == ["thread", "timer"]


def test_the_clock_waits_while_something_else_is_busy() -> None:
    loop = VirtualTimeLoop()
    answers = [True, True, False]
    times: list[float] = []

    def is_busy() -> bool:
        times.append(loop.time())
        return answers.pop(0) if answers else False

    loop.is_busy = is_busy
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(asyncio.sleep(5))
    assert times[:3] == [0, 0, 0]
    assert loop.time() == 5


def test_textual_has_its_own_clock_again_afterwards() -> None:
    with textual_time(lambda: 7.0):
        assert (_time.get_time(), notifications.time()) == (7.0, 7.0)  # type: ignore[attr-defined]
    assert _time.get_time is time.monotonic
    assert notifications.time is time.time  # type: ignore[attr-defined]
