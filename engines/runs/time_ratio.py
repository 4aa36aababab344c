"""The ratio of two engines' times for an epoch, where a time trial makes them comparable."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from engines.config import TITLES
from engines.plural import plural
from engines.record import Record
from engines.runs.comparison import time_caveat
from engines.runs.history import RunHistory
from engines.runs.statistics import Ratio, ratio_of_times


class TimeRatio(Record):
    """The ratio of two engines' times for an epoch, from the faster engine's view."""

    faster: str
    """The faster engine's name for people."""
    ratio: Ratio
    """The slower engine's time divided by the faster one's."""
    basis: str
    """The sample, for people: "12 epochs each", "6 seeds"."""

    @property
    def text(self) -> str:
        """The ratio with its interval, for people."""
        if self.ratio.low is None or self.ratio.high is None:
            return self.short_text
        interval = f"95 % interval {_format(self.ratio.low)} to {_format(self.ratio.high)}"
        return f"{self.short_text}, {interval}{'' if self.ratio.is_clear else ': no clear difference'}"

    @property
    def short_text(self) -> str:
        """The ratio alone, for people."""
        return f"{self.faster} {_format(self.ratio.value)}x faster per epoch"


def _format(value: float) -> str:
    """Format a ratio with three digits: 1.02, 2.83, 14.7."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:,.0f}"


def time_ratio(names: tuple[str, str], ratio: Ratio | None, basis: str) -> TimeRatio | None:
    """Name the faster of two engines by the ratio of the first one's time to the second one's."""
    if ratio is None:
        return None
    faster, value = (names[1], ratio) if ratio.value >= 1 else (names[0], ratio.inverse)
    return TimeRatio(faster=faster, ratio=value, basis=basis)


def epoch_time_ratio(histories: Mapping[str, RunHistory]) -> TimeRatio | None:
    """Compare the epochs of one run of each engine; None unless it is a time trial of both whose times are comparable.

    Epochs of one run are not independent runs: the interval holds for these two runs, and several seeds say more.
    """
    runs = [history for history in histories.values() if history.config is not None and history.epoch_times]
    if len(runs) != 2 or runs[0].run_id != runs[1].run_id or time_caveat(histories):
        return None
    if any(history.config is None or history.config.mode != "time-trial" for history in runs):
        return None
    first, second = (TITLES.get(history.engine, history.engine) for history in runs)
    counts = sorted({len(history.epoch_times) for history in runs})
    basis = f"{plural(counts[0], 'epoch')} each" if len(counts) == 1 else f"{counts[0]} and {counts[1]} epochs"
    return time_ratio((first, second), _ratio(*(tuple(history.epoch_times) for history in runs)), basis)


@lru_cache(maxsize=4)  # a screen reads it in every frame
def _ratio(first: tuple[float, ...], second: tuple[float, ...]) -> Ratio | None:
    return ratio_of_times(first, second)
