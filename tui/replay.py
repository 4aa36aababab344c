"""A recorded run that plays as if it were live."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from engines.api import Event, MachineHistory, RunHistory, RunRequested, Series, TrainConfig


class Replay:
    """A recording that plays as if it were live: the same questions, no workers."""

    def __init__(
        self, events: Sequence[Event], speed: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        engines = list(dict.fromkeys(event.engine for event in events if event.engine != "machine"))
        self.histories = {engine: RunHistory(engine) for engine in engines}
        self.machine = MachineHistory()
        self.series = Series()
        self.recorded = True
        self.problem = ""
        self.running = False
        self.speed = speed
        self._events = deque(sorted(events, key=lambda event: event.t))
        self._clock = clock
        self._began = clock()
        self._last = self._events[-1].t if self._events else 0.0
        requested = [event.t for event in self._events if isinstance(event, RunRequested)]
        self._first = min(requested, default=self._events[0].t if self._events else 0.0)

    def now(self) -> float:
        """The present on the recording's clock, not beyond its end."""
        return min(self._first + (self._clock() - self._began) * self.speed, self._last)

    def drain(self) -> set[str]:
        """Fold what happened until now."""
        now, changed = self.now(), set()
        while self._events and self._events[0].t <= now:
            event = self._events.popleft()
            changed.add(event.engine)
            if event.engine in self.histories:
                self.histories[event.engine].apply(event)
            else:
                self.machine.apply(event)
        return changed

    def warm(self, configs: Mapping[str, TrainConfig]) -> None:
        """A recording needs no workers."""

    def start(self, configs: Mapping[str, TrainConfig]) -> None:
        """A recording can't be started."""

    def resume(self, folder: Path, changes: Mapping[str, object], engines: Collection[str] = ()) -> None:
        """Nor resumed."""

    def predict(self, engine: str, image: Sequence[int], checkpoint: str = "") -> int:
        """Nor asked: no answer will bear this number."""
        return 0

    def folder(self, engine: str) -> Path | None:
        """Nor is it kept anywhere else."""

    def turn_of(self, engine: str) -> str:
        """Nothing waits."""
        return ""

    def stop(self, engine: str) -> None:
        """Nor stopped."""

    pause = go_on = kill = save = stop

    def close(self, timeout: float = 0.0) -> bool:
        """Nothing is left."""
        return True
