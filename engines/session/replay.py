"""A recorded run that plays as if it were live, and a player that pauses, seeks and changes its speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from engines.config import ENGINES
from engines.messages.commands import UNTRAINED
from engines.messages.events import EpochStarted, Event, Prediction, RunRequested
from engines.runs.history import RunHistory
from engines.runs.machine_history import MachineHistory
from engines.runs.seeds import SeedResults
from engines.session.recorded_models import RecordedModels
from engines.session.run_source import RunSource

DEMO = Path(__file__).parent / "recordings" / "demo.jsonl"
"""Two epochs of the reference on real MNIST, both frameworks at once on two CPU cores, as `mnist-tui --epochs 2` saved them.

Beside it are both engines' final weights, rounded to float16: they answer all 10,000 test digits as the float32 weights do.
"""
SPEEDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 100.0)
MAX_SPEED = 1e9
"""The speed that shows the end at once."""
FAR = 1e12
"""Seconds, thirty thousand years: events further away than this, and those at no time at all (NaN), are dropped."""


class Replay(RunSource):
    """A recording that plays as if it were live, without workers; commands to runs do nothing.

    Its histories depend on the recording and the position alone, whatever way led there; but for the predictions, which are of the
    user's digits. Events of unknown engines and at impossible times are dropped.
    """

    recorded = True

    def __init__(
        self,
        events: Sequence[Event],
        speed: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        *,
        folder: Path | None = None,
    ) -> None:
        """`folder` is that of the recording, where the checkpoints are whose weights predict."""
        known = [event for event in events if event.engine in (*ENGINES, "machine") and abs(event.t) < FAR]
        valid = [event for event in known if not isinstance(event, Prediction)]
        self._events = sorted(valid, key=lambda event: event.t)
        engines = {event.engine for event in valid}
        self.histories = {engine: RunHistory(engine) for engine in ENGINES if engine in engines}
        self.engines = tuple(self.histories)
        self.machine = MachineHistory()
        self.seed_results = SeedResults()
        self.speed = speed
        self.paused = False
        self._clock = clock
        self._last_t = self._events[-1].t if self._events else 0.0
        self._requests = [event for event in self._events if isinstance(event, RunRequested)]
        self._models = RecordedModels(folder, self.engines, next((event.config.seed for event in self._requests), 0))
        requested = [event.t for event in self._requests]
        self._first_t = min(requested, default=self._events[0].t if self._events else 0.0)
        self._applied = 0
        """Number of events that the histories hold."""
        self._anchor = (clock(), self._first_t)
        """A time on the player's clock, and the recording's time at that moment."""

    def now(self) -> float:
        """Return the present time of the recording, at most its end."""
        clock_t, recording_t = self._anchor
        return min(recording_t if self.paused else recording_t + (self._clock() - clock_t) * self.speed, self._last_t)

    @property
    def length_seconds(self) -> float:
        return self._last_t - self._first_t

    def starts_at(self, engine: str) -> float | None:
        if engine not in self.histories or self.histories[engine].requested_t is not None:
            return None
        return next((event.t - self._first_t for event in self._requests if event.engine == engine), None)

    @property
    def playback(self) -> str:
        return "end" if self.now() >= self._last_t else "paused" if self.paused else self.speed_label

    @property
    def speed_label(self) -> str:
        """The speed for people: "2x" or "max"."""
        return "max" if self.speed >= MAX_SPEED else f"{self.speed:g}x"

    def toggle(self) -> None:
        now = self.now()
        if now >= self._last_t:
            self.paused = False
            self._seek_to(self._first_t)
            return
        self._anchor = (self._clock(), now)
        self.paused = not self.paused

    def change_speed(self, steps: int) -> None:
        now = self.now()
        others = [speed for speed in SPEEDS if (speed > self.speed if steps > 0 else speed < self.speed)]
        if others:
            self.speed = others[min(steps, len(others)) - 1] if steps > 0 else others[max(steps, -len(others))]
        self._anchor = (self._clock(), now)

    def seek(self, seconds: float) -> None:
        self._seek_to(min(max(self.now() + seconds, self._first_t), self._last_t))

    def seek_epoch(self, epochs: int) -> None:
        """Move to the start of the next epoch (1) or the one before (-1), by the engine that started it first."""
        starts: dict[int, float] = {}
        for event in self._events:
            if isinstance(event, EpochStarted):
                starts.setdefault(event.epoch, event.t)
        now = self.now()
        if epochs > 0:
            self._seek_to(min((t for t in starts.values() if t > now), default=self._last_t))
        else:  # a second's grace, so that pressing the key twice moves back twice
            self._seek_to(max((t for t in starts.values() if t < now - max(1.0, self.speed)), default=self._first_t))

    def play_from(self, seconds: float, speed: float) -> None:
        """Move to that many seconds from the start, and play on at this speed; at speed 0, stand still."""
        self.paused = not speed
        self.speed = speed or self.speed
        self._seek_to(min(self._first_t + seconds, self._last_t))

    def _seek_to(self, t: float) -> None:
        """Move to a time of the recording; to move back, the histories start over."""
        if self._applied and self._events[self._applied - 1].t > t:
            self._applied = 0
            self.histories.update({engine: RunHistory(engine) for engine in self.histories})
            self.machine = MachineHistory()
        self._anchor = (self._clock(), t)

    def drain(self) -> set[str]:
        now, changed = self.now(), set()
        if not self._applied:  # after moving back, every history has changed
            changed |= set(self.histories)
        while self._applied < len(self._events) and self._events[self._applied].t <= now:
            event = self._events[self._applied]
            self._applied += 1
            changed.add(event.engine)
            if event.engine in self.histories:
                self.histories[event.engine].apply(event)
            else:
                self.machine.apply(event)
        for engine, prediction in self._models.newest.copy().items():
            self.histories[engine].prediction = prediction
        return changed

    @property
    def predicting(self) -> bool:
        return self._models.predicting

    def checkpoint(self, engine: str) -> Path | None:
        return self._models.checkpoints.get(engine) or super().checkpoint(engine)

    def weights_version(self, engine: str) -> int:
        """There are the weights before the first step, and those after the last."""
        return min(self.histories[engine].global_step, 1)

    def predict(self, engine: str, image: Sequence[int], checkpoint: str = "", *, inside: bool = False) -> int:
        """Request a prediction by the recorded weights: those before the first step while the recording stands there."""
        if not checkpoint and engine in self._models.checkpoints and not self.histories[engine].global_step:
            checkpoint = UNTRAINED
        return self._models.request(engine, image, checkpoint, inside=inside)
