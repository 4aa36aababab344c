"""A virtual clock for a whole Textual app: waiting takes no time, and a slow machine draws the same frames."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any

from textual import _time, notifications

POLL_SECONDS = 0.002
"""Real seconds between two looks at threads whose end does not wake the loop."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock stands still while anything works, and jumps to the next timer once all wait for it."""

    def __init__(self) -> None:
        self.is_busy: Callable[[], bool] = lambda: False
        """Returns whether threads that the loop does not know of still work for the app."""
        self._now = 0.0
        self._in_threads = 0
        """The number of calls that run in threads."""
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self._now

    def run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """Run a call in a thread; the clock waits for it."""
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._on_thread_done)
        return future

    def _on_thread_done(self, _: object) -> None:
        self._in_threads -= 1

    def pass_time(self, seconds: float) -> float:
        """Move the clock, if nothing works, because nothing happens for so long; return for how many real seconds to wait."""
        if self._in_threads or self.is_busy():
            return POLL_SECONDS
        self._now += seconds
        return 0.0


class _Selector(selectors.DefaultSelector):
    """Waits for files as any selector, but on the virtual clock."""

    def __init__(self, loop: VirtualTimeLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        """Return the files that are ready; without any, let the clock move instead of waiting."""
        if timeout is None:  # no timer is left: only a file or a thread can go on
            return super().select(None)
        ready = super().select(0)
        if ready or timeout <= 0:
            return ready
        return super().select(self._loop.pass_time(timeout))


@contextlib.contextmanager
def textual_time(clock: Callable[[], float]) -> Iterator[None]:
    """Let Textual's timers, animations and notifications use that clock; it has no public way to."""
    names = ((_time, "get_time"), (notifications, "time"))
    originals = [getattr(module, name) for module, name in names]
    for module, name in names:
        setattr(module, name, clock)
    try:
        yield
    finally:
        for (module, name), original in zip(names, originals, strict=True):
            setattr(module, name, original)
