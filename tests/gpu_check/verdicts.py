"""Judge the events of runs: each function returns a figure, or raises Failed with the reason. No process and no clock."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from engines.config import reaches
from engines.messages.events import DataReady, EpochCompleted, EvalCompleted, Event, TrainProgress
from tests.gpu_check.table import Failed


class Bar(NamedTuple):
    """The lowest test accuracy after one epoch, in percent."""

    mnist: float
    other: float
    """The same for other digits: drawn ones are harder, and those of the user's own are unknown."""


REFERENCE = Bar(97.5, 80.0)
"""On a CPU, seed 0, the reference reaches 98.1 % of MNIST in one epoch, and 88.7 % of the drawn digits."""
ADAM = Bar(98.5, 85.0)
"""On a CPU, seed 0, Adam with the one-cycle schedule of the preset "quick" reaches 98.9 % and 93.3 %."""
SHORT = Bar(93.0, 60.0)
"""On a CPU, seed 0, the reference with augmentation reaches 96.1 % and 75.0 % after 100 steps."""

ROUNDING = 1e-4
"""Tolerance between the first losses of two devices, which add in different orders."""
REPEAT = 1e-3
"""Tolerance between losses after up to six steps from the same state, on a GPU whose sums may come in another order each time."""

T = TypeVar("T", bound=Event)


def events_of(kind: type[T], run: Sequence[Event]) -> list[T]:
    """Return the run's events of that kind. Raises Failed when there is none."""
    events = [event for event in run if isinstance(event, kind)]
    if not events:
        raise Failed(f"the run has no {kind.__name__}")
    return events


def median_rate(run: Sequence[Event]) -> float:
    """Return the median of the epochs' samples per second. Raises Failed when no epoch has a rate."""
    rates = [epoch.samples_per_sec for epoch in events_of(EpochCompleted, run) if epoch.samples_per_sec]
    if not rates:
        raise Failed("no epoch has a rate: the run was too short")
    return statistics.median(rates)


def training_time(run: Sequence[Event]) -> str:
    """Report the training seconds of all epochs, and the median rate."""
    epochs = events_of(EpochCompleted, run)
    seconds = sum(epoch.train_seconds for epoch in epochs)
    return f"{len(epochs)} epochs in {seconds:.2f} s, median {median_rate(run):,.0f} images/s"


def first_step(run: Sequence[Event]) -> str:
    """Report the seconds of the run's first step."""
    seconds = events_of(EpochCompleted, run)[0].first_step_seconds
    if seconds is None:
        raise Failed("the run has no time of its first step")
    return f"{seconds:.2f} s"


def accuracy(run: Sequence[Event], bar: Bar) -> str:
    """Judge the test accuracy after the first epoch."""
    dataset, reached = events_of(DataReady, run)[0].dataset, events_of(EvalCompleted, run)[0].accuracy
    percent = bar.mnist if dataset == "mnist" else bar.other
    text = f"{100 * reached:.2f} % on {dataset} digits"
    if not reaches(reached, percent):
        raise Failed(f"{text}, less than {percent:g} %")
    return text


def speed(ours: float, plain: float) -> str:
    """Judge the seconds of an epoch against those of the plain script."""
    text = f"{ours:.2f} s by {plain:.2f} s, ratio {ours / plain:.3f}"
    if ours > plain:
        raise Failed(f"{text}: slower than the plain script")
    return text


def first_losses(one: Sequence[Event], other: Sequence[Event]) -> str:
    """Judge the losses of the first step, dropout off, on two devices."""
    losses = [events_of(TrainProgress, run)[0].loss for run in (one, other)]
    return _small((losses[0] - losses[1],), ROUNDING)


def epoch_losses(one: Sequence[Event], other: Sequence[Event]) -> str:
    """Judge the training losses of a short epoch, dropout off, of two ways to train."""
    losses = [events_of(EpochCompleted, run)[-1].train_loss for run in (one, other)]
    return _small((losses[0] - losses[1],), REPEAT)


def repeat(one: Sequence[Event], other: Sequence[Event]) -> str:
    """Judge two runs that should be the same: equal bit for bit, or with a small difference of their last losses."""
    trained = [events_of(EpochCompleted, run)[-1].train_loss for run in (one, other)]
    tested = [events_of(EvalCompleted, run)[-1] for run in (one, other)]
    if trained[0] == trained[1] and (tested[0].loss, tested[0].mistakes) == (tested[1].loss, tested[1].mistakes):
        return "bit-identical"
    return _small((trained[0] - trained[1], tested[0].loss - tested[1].loss), REPEAT)


def _small(differences: Sequence[float], tolerance: float) -> str:
    for difference in differences:
        if not abs(difference) <= tolerance:  # so that NaN fails, too
            raise Failed(f"the losses differ by {difference:.1e}, more than {tolerance:.0e}")
    return f"difference {max(map(abs, differences)):.1e}"
