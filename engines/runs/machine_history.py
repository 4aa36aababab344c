"""What is known of the machine: a pure fold over MachineUsage. No clock, no files, no threads."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

from engines.messages.events import Event, GpuReading, MachineUsage
from engines.runs.bounded_series import BoundedSeries

SAMPLES = 240
"""Of each figure, about one a second."""
LONGEST_GAP_SECONDS = 10.0
"""Between two readings further apart than this, nobody knows what the power was."""


class GpuHistory:
    """One GPU: its last minutes, and the energy that it took since the app began."""

    def __init__(self) -> None:
        self.utilization_percent: deque[float | None] = deque(maxlen=SAMPLES)
        self.memory_used_bytes: deque[float | None] = deque(maxlen=SAMPLES)
        self.temperature_celsius: deque[float | None] = deque(maxlen=SAMPLES)
        self.power_watts: deque[float | None] = deque(maxlen=SAMPLES)
        self._joules = BoundedSeries()
        """Since the first reading, by the events' clock: the driver's own counter, or else the sum of power over time."""
        self._counted: float | None = None
        self._watts: tuple[float, float] | None = None

    def take(self, reading: GpuReading, t: float) -> None:
        """Take one reading into account."""
        self.utilization_percent.append(reading.utilization_percent)
        self.memory_used_bytes.append(reading.memory_used_bytes)
        self.temperature_celsius.append(reading.temperature_celsius)
        self.power_watts.append(reading.power_watts)
        spent = self._spent(reading, t)
        self._counted = reading.energy_joules
        self._watts = None if reading.power_watts is None else (t, reading.power_watts)
        if spent is not None:
            self._joules.append(t, (self._joules.last[1] if self._joules.last else 0.0) + spent)

    def _spent(self, reading: GpuReading, t: float) -> float | None:
        """Joules since the last reading; None when they can't be known."""
        if reading.energy_joules is not None:
            counted = self._counted if self._counted is not None else reading.energy_joules
            return max(reading.energy_joules - counted, 0.0)  # a driver that was loaded anew counts from 0
        if reading.power_watts is None:
            return None
        if self._watts is None:
            return 0.0
        before, watts = self._watts
        return (t - before) * (watts + reading.power_watts) / 2 if t - before <= LONGEST_GAP_SECONDS else 0.0

    def energy_joules(self, begin: float, end: float) -> float | None:
        """Between two moments of the events' clock, as far as it was measured; None when nothing was."""
        xs, ys = self._joules.xs, self._joules.ys
        last = self._joules.last
        if last is None or not xs or last[0] <= begin:
            return None

        def at(t: float) -> float:
            if t >= last[0]:
                return last[1]
            i = bisect_right(xs, t)
            if i in (0, len(xs)):
                return ys[min(i, len(xs) - 1)]
            share = (t - xs[i - 1]) / (xs[i] - xs[i - 1])
            return ys[i - 1] + share * (ys[i] - ys[i - 1])

        return at(end) - at(begin)


class MachineHistory:
    """The whole machine."""

    def __init__(self) -> None:
        self.usage: MachineUsage | None = None
        self.cpu_percent: deque[float | None] = deque(maxlen=SAMPLES)
        self.gpus: dict[int, GpuHistory] = {}
        """By the driver's index."""

    def apply(self, event: Event) -> None:
        """Take one event into account."""
        if not isinstance(event, MachineUsage):
            return
        self.usage = event
        self.cpu_percent.append(event.cpu_percent)
        for gpu in event.gpus:
            self.gpus.setdefault(gpu.index, GpuHistory()).take(gpu, event.t)
