"""A recorded run that plays as if it were live, and that can be held, wound and hurried."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from engines.config import ENGINES, TrainConfig
from engines.messages.events import EpochStarted, Event, RunRequested
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory
from engines.runs.seeds import SeedResults

DEMO = Path(__file__).parent / "recordings" / "demo.jsonl"
"""Two epochs of the reference on real MNIST, both frameworks at once on two CPU cores, as `mnist-tui --epochs 2` kept them."""
SPEEDS = (1.0, 2.0, 5.0, 10.0, 30.0, 100.0)
MAX_SPEED = 1e9
"""All at once."""
FAR = 1e12
"""Seconds: thirty thousand years. What is said to be further away, or at no time at all, has no place in a recording."""


class Replay:
    """A recording that plays as if it were live: the same questions, no workers.

    What it shows depends on the recording and on the place in it alone, whatever way one came there. Engines that are not
    known here, and moments that no clock tells, are passed over.
    """

    def __init__(
        self, events: Sequence[Event], speed: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        known = [event for event in events if event.engine in (*ENGINES, "machine") and abs(event.t) < FAR]
        self._events = sorted(known, key=lambda event: event.t)
        spoke = {event.engine for event in known}  # in no order: which is the first to is chance
        self.histories = {engine: RunHistory(engine) for engine in ENGINES if engine in spoke}
        self.machine = MachineHistory()
        self.series = SeedResults()
        self.recorded = True
        self.problem = ""
        self.running = False
        self.speed = speed
        self.paused = False
        self._clock = clock
        self._last = self._events[-1].t if self._events else 0.0
        requested = [event.t for event in self._events if isinstance(event, RunRequested)]
        self._first = min(requested, default=self._events[0].t if self._events else 0.0)
        self._folded = 0
        """So many events are in the histories."""
        self._from = (clock(), self._first)
        """A moment of our clock, and of the recording's."""

    # The player

    def now(self) -> float:
        """The present on the recording's clock, not beyond its end."""
        ours, its = self._from
        return min(its if self.paused else its + (self._clock() - ours) * self.speed, self._last)

    @property
    def length_seconds(self) -> float:
        """From the recording's first moment to its last."""
        return self._last - self._first

    @property
    def playback(self) -> str:
        """How the recording plays: "10x", "paused" or "end"."""
        return "end" if self.now() >= self._last else "paused" if self.paused else self.pace

    @property
    def pace(self) -> str:
        """The speed, for people."""
        return "max" if self.speed >= MAX_SPEED else f"{self.speed:g}x"

    def toggle(self) -> None:
        """Hold, or play on; at the end, from the beginning."""
        now = self.now()
        if now >= self._last:
            self.paused = False
            self._go(self._first)
            return
        self._from = (self._clock(), now)
        self.paused = not self.paused

    def change_speed(self, steps: int) -> None:
        """So many speeds faster, or slower."""
        now = self.now()
        at = max((i for i, speed in enumerate(SPEEDS) if speed <= self.speed), default=0)
        self.speed = SPEEDS[min(max(at + steps, 0), len(SPEEDS) - 1)]
        self._from = (self._clock(), now)

    def seek(self, seconds: float) -> None:
        """So many seconds of the recording on, or back."""
        self._go(min(max(self.now() + seconds, self._first), self._last))

    def seek_epoch(self, epochs: int) -> None:
        """To where an epoch of the engine that leads begins; at the last, to the end."""
        begins: dict[int, float] = {}
        for event in self._events:
            if isinstance(event, EpochStarted):
                begins.setdefault(event.epoch, event.t)
        now = self.now()
        if epochs > 0:
            self._go(min((t for t in begins.values() if t > now), default=self._last))
        else:  # a second's grace, so that pressing it twice goes back twice
            self._go(max((t for t in begins.values() if t < now - max(1.0, self.speed)), default=self._first))

    def _go(self, t: float) -> None:
        """To that moment; what happened after it is forgotten."""
        if self._folded and self._events[self._folded - 1].t > t:
            self._folded = 0
            self.histories.update({engine: RunHistory(engine) for engine in self.histories})
            self.machine = MachineHistory()
        self._from = (self._clock(), t)

    # As a session

    def drain(self) -> set[str]:
        """Fold what happened until now."""
        now, changed = self.now(), set()
        if not self._folded:  # wound back: also who has not begun again has changed
            changed |= set(self.histories)
        while self._folded < len(self._events) and self._events[self._folded].t <= now:
            event = self._events[self._folded]
            self._folded += 1
            changed.add(event.engine)
            if event.engine in self.histories:
                self.histories[event.engine].apply(event)
            else:
                self.machine.apply(event)
        return changed

    def start_workers(self, configs: Mapping[str, TrainConfig]) -> None:
        """A recording needs no workers."""

    def start(self, configs: Mapping[str, TrainConfig]) -> None:
        """A recording can't be started."""

    def resume_run(self, folder: Path, changes: Mapping[str, object], engines: Collection[str] = ()) -> str:
        """Do nothing: a recording can't be continued."""
        return ""

    def predict(self, engine: str, image: Sequence[int], checkpoint: str = "") -> int:
        """Nor asked: no answer will bear this number."""
        return 0

    def folder(self, engine: str) -> Path | None:
        """Nor is it kept anywhere else."""

    def waiting_for(self, engine: str) -> str:
        """Nothing waits."""
        return ""

    def is_free(self, engine: str) -> bool:
        """It can be asked for nothing."""
        return False

    def stop(self, engine: str) -> None:
        """Nor stopped."""

    pause = resume = kill = save = stop

    def close(self, timeout: float = 0.0) -> bool:
        """Nothing is left."""
        return True
