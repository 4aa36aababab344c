"""The app that plays the demo, a recording of a real run: the source of the snapshots and of the README's pictures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from engines.messages.events import Event
from engines.runs.reader import read_events
from engines.session.replay import DEMO, Replay
from tui.app import MnistApp
from tui.frame_clock import CURVES_EVERY


@cache
def demo_events() -> tuple[Event, ...]:
    """Return the events of the demo, which are read from the disk once for all tests."""
    return tuple(read_events(DEMO))


@asynccontextmanager
async def shown(at: float, size: tuple[int, int], theme: str = "mnist-dark", *keys: str) -> AsyncIterator[MnistApp]:
    """Run the app of that size, `at` seconds into the recording, after those key presses."""
    seconds = 0.0
    app = MnistApp(theme=theme, session=Replay(demo_events(), clock=lambda: seconds, folder=DEMO.parent))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        seconds = at
        # drawn here, because the app's own frames depend on the real clock
        for _ in range(CURVES_EVERY):
            app.draw_frame()
            await pilot.pause()
        if keys:
            await pilot.press(*keys)
        app.train_screen.show_frame(set(app.session.histories), True)
        await pilot.pause()
        yield app
