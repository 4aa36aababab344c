"""Record an app's screens at a fixed rate on a virtual clock, with keys pressed at their times."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from rich.style import Style
from rich.terminal_theme import TerminalTheme
from textual import events
from textual._compositor import LayoutUpdate
from textual.app import App
from textual.pilot import Pilot
from textual.strip import Strip

from tui.screencast.virtual_time import VirtualTimeLoop, textual_time

Row = tuple[tuple[str, Style], ...]
"""A row of the screen: runs of text in one style."""
Key = tuple[float, str]
"""The second at which a key is pressed, and its name for Textual."""
FPS = 10
START_SECONDS = 0.65
"""The time that the app has before its first frame: then it has drawn its first figures and curves."""
NO_STYLE = Style()


class Frame(NamedTuple):
    """The screen from a moment on."""

    t: float
    rows: tuple[Row, ...]


class Screencast(NamedTuple):
    """The screens that an app has shown; a frame that equals the one before it is left out."""

    size: tuple[int, int]
    """Columns and rows."""
    frames: list[Frame]
    seconds: float
    """The time at which the last frame ends."""
    colors: TerminalTheme
    """The colours in place of the terminal's own, which some themes use."""


class Interrupted(Exception):
    """A signal has ended the app; `code` is the exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def record(
    app: App[Any],
    loop: VirtualTimeLoop,
    size: tuple[int, int],
    seconds: float,
    *,
    fps: float = FPS,
    keys: Sequence[Key] = (),
    on_frame: Callable[[int, int], object] = lambda done, total: None,
) -> Screencast:
    """Run the app for that many virtual seconds, or until it ends, and return its screens.

    A replay in it needs the loop's clock: `Replay(events, speed, loop.time)`. `on_frame` is called with the number of frames taken,
    and that of all. Raises Interrupted, and whatever ends the app.
    """
    if (session := getattr(app, "session", None)) is not None:
        loop.is_busy = lambda: session.predicting
    total, due = max(round(seconds * fps), 1), sorted(keys)
    frames: list[Frame] = []
    ready = asyncio.Event()

    async def on_ready(_: Pilot[Any]) -> None:
        ready.set()

    async def wait_until(t: float) -> None:
        await asyncio.sleep(START_SECONDS + t - loop.time())

    async def take_frames() -> None:
        await ready.wait()
        for number in range(total):
            while due and due[0][0] <= number / fps:
                t, key = due.pop(0)
                await wait_until(t)
                app.post_message(events.Key(key, key if len(key) == 1 else None))
            await wait_until(number / fps)
            if not app.screen_stack:  # the app is ending
                return
            with app._context():
                rows = screen_rows(app, frames[-1].rows if frames else ())
            if not frames or rows != frames[-1].rows:
                frames.append(Frame(number / fps, rows))
            on_frame(number + 1, total)
        await wait_until(seconds)

    async def run() -> float:
        running = asyncio.ensure_future(app.run_async(headless=True, size=size, auto_pilot=on_ready))
        recording = asyncio.ensure_future(take_frames())
        try:
            await asyncio.wait((running, recording), return_when=asyncio.FIRST_COMPLETED)
        finally:
            ended_t, is_over = loop.time() - START_SECONDS, recording.done()
            recording.cancel()
            if not running.done():
                app.exit()
            await running
        if app._exception is not None:
            raise app._exception
        if app.return_code:
            raise Interrupted(app.return_code)
        if is_over:
            recording.result()  # raises its exception
        return min(round(ended_t, 3), seconds)

    with textual_time(loop.time), asyncio.Runner(loop_factory=lambda: loop) as runner:
        # Not the frames: when the runner restores its signal handler, Python makes a text of the task and of its result.
        ended_t = runner.run(run())
    return Screencast(size, frames, ended_t, app.ansi_theme)


def screen_rows(app: App[Any], before: tuple[Row, ...] = ()) -> tuple[Row, ...]:
    """Return the rows of the app's screen as it is drawn now; those equal to one of `before` are the same objects."""
    compositor = app.screen._compositor
    update = compositor.render_update(full=True, screen_stack=app._background_screens)  # as export_screenshot does
    assert isinstance(update, LayoutUpdate)
    rows = [_row(Strip.join(parts)) for parts in update.strips]
    return tuple(old if row == old else row for row, old in zip(rows, before or rows, strict=True))


def _row(strip: Strip) -> Row:
    runs: list[tuple[str, Style]] = []
    for text, style, _ in strip:
        look = _look(style)
        if runs and runs[-1][1] == look:
            runs[-1] = runs[-1][0] + text, look
        elif text:
            runs.append((text, look))
    return tuple(runs)


@lru_cache(maxsize=4096)
def _look(style: Style | None) -> Style:
    """Return a style without what is not seen: links, and Textual's own data."""
    return NO_STYLE if style is None else style.clear_meta_and_links()
