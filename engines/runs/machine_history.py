"""The history of the machine: a pure fold over MachineUsage. No clock, no files, no threads."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque

from engines.messages.events import Event, GpuReading, MachineUsage
from engines.runs.bounded_series import BoundedSeries

MAX_SAMPLES = 240
"""Samples of each figure, about one a second."""
MAX_GAP_SECONDS = 10.0
"""Seconds between two readings beyond which the power in between counts as unknown."""


class GpuHistory:
    """The last minutes of one GPU, and the energy that it used since the app started."""

    def __init__(self) -> None:
        self.last: GpuReading | None = None
        """The newest reading."""
        self.samples = 0
        """The number of all readings so far."""
        self.utilization_percent: deque[float | None] = deque(maxlen=MAX_SAMPLES)
        self.memory_used_bytes: deque[float | None] = deque(maxlen=MAX_SAMPLES)
        self.temperature_celsius: deque[float | None] = deque(maxlen=MAX_SAMPLES)
        self.power_watts: deque[float | None] = deque(maxlen=MAX_SAMPLES)
        self.utilization_series = BoundedSeries()
        self.power_series = BoundedSeries()
        """Points (t, watts) of all readings, as `utilization_series` has percent."""
        self._joules = BoundedSeries()
        """Points (t, joules since the first reading), from the driver's counter or else the integral of the power."""
        self._last_counter: float | None = None
        """The driver's energy counter at the last reading that had one, in joules."""
        self._last_power: tuple[float, float] | None = None
        """The time and the watts of the last reading that had any."""

    def add(self, reading: GpuReading, t: float) -> None:
        """Add the reading of time t."""
        self.last = reading
        self.samples += 1
        self.utilization_percent.append(reading.utilization_percent)
        self.memory_used_bytes.append(reading.memory_used_bytes)
        self.temperature_celsius.append(reading.temperature_celsius)
        self.power_watts.append(reading.power_watts)
        for series, value in (
            (self.utilization_series, reading.utilization_percent),
            (self.power_series, reading.power_watts),
        ):
            if value is not None:
                series.append(t, value)
        joules = self._joules_since_last(reading, t)
        if reading.energy_joules is not None:
            self._last_counter = reading.energy_joules
        if reading.power_watts is not None:
            self._last_power = (t, reading.power_watts)
        if joules is not None:
            self._joules.append(t, (self._joules.last[1] if self._joules.last else 0.0) + joules)

    def _joules_since_last(self, reading: GpuReading, t: float) -> float | None:
        if reading.energy_joules is not None:
            counter = self._last_counter if self._last_counter is not None else reading.energy_joules
            return max(reading.energy_joules - counter, 0.0)  # a reloaded driver counts from 0
        if (
            reading.power_watts is None or self._last_counter is not None
        ):  # the counter's next reading covers this time too
            return None
        if self._last_power is None:
            return 0.0
        last_t, watts = self._last_power
        return (t - last_t) * (watts + reading.power_watts) / 2 if t - last_t <= MAX_GAP_SECONDS else 0.0

    @property
    def energy_span(self) -> tuple[float, float] | None:
        """The times from which and until which the energy is known; None before the first reading that had any."""
        return (self._joules.xs[0], self._joules.last[0]) if self._joules.last and self._joules.xs else None

    def energy_joules(self, start: float, end: float) -> float | None:
        """Return the joules used between two times of the events' clock, as far as measured; None if nothing was."""
        xs, ys = self._joules.xs, self._joules.ys
        last = self._joules.last
        if last is None or not xs or last[0] <= start:
            return None

        def interpolate(t: float) -> float:
            if t >= last[0]:
                return last[1]
            i = bisect_right(xs, t)
            if i in (0, len(xs)):
                return ys[min(i, len(xs) - 1)]
            share = (t - xs[i - 1]) / (xs[i] - xs[i - 1])
            return ys[i - 1] + share * (ys[i] - ys[i - 1])

        return interpolate(end) - interpolate(start)


class MachineHistory:
    """The usage of the whole machine after the events applied so far."""

    def __init__(self) -> None:
        self.usage: MachineUsage | None = None
        self.cpu_percent: deque[float | None] = deque(maxlen=MAX_SAMPLES)
        self.gpus: dict[int, GpuHistory] = {}
        """The GPUs by the driver's index."""

    @property
    def gpu_readings(self) -> tuple[GpuReading, ...]:
        """The driver's newest readings; empty before the first, and without GPUs."""
        return self.usage.gpus if self.usage is not None else ()

    def apply(self, event: Event) -> None:
        """Apply one event; any but a MachineUsage is ignored."""
        if not isinstance(event, MachineUsage):
            return
        self.usage = event
        self.cpu_percent.append(event.cpu_percent)
        for reading in event.gpus:
            self.gpus.setdefault(reading.index, GpuHistory()).add(reading, event.t)
