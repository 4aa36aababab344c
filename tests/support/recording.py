"""The demo, a recorded real run, as screens: what the snapshot tests and the README's pictures are made from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from engines.api import read_events
from engines.session.replay import DEMO, Replay
from tui.app import MnistApp
from tui.frame_clock import CURVES_EVERY


@asynccontextmanager
async def shown(at: float, size: tuple[int, int], theme: str = "mnist-dark", *keys: str) -> AsyncIterator[MnistApp]:
    """The app `at` seconds into the recording, at that size, after those keys."""
    seconds = 0.0
    app = MnistApp(settings={"theme": theme}, session=Replay(list(read_events(DEMO)), clock=lambda: seconds))
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        seconds = at
        # frames come with the clock; drawing them here makes the picture independent of it
        for _ in range(CURVES_EVERY):
            app.draw_frame()
            await pilot.pause()
        if keys:
            await pilot.press(*keys)
        app.train_screen.show_frame(set(app.session.histories), True)
        await pilot.pause()
        yield app
