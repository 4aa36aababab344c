"""The distance of two networks that began with equal weights: of their weights, layer by layer, and of their answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engines.messages.events import CheckpointSaved, EvalCompleted, Event, TwinsCompared

if TYPE_CHECKING:
    from engines.experiment.recipe import Weights

MAX_WAITING = 24
"""Epochs whose weights, 4.8 MB each, may wait for the other engine's; in a time trial all of them wait."""


def weights_apart(a: Weights, b: Weights) -> tuple[tuple[str, float], ...]:
    """Return (layer, |a - b| / |mean of a and b|), by the L2 norm over kernel and bias, in forward order; 0 means equal."""
    from engines.experiment.recipe import layer_norm  # numpy: not before the first paint

    layers = dict.fromkeys(name.partition(".")[0] for name in a)
    difference = {name: a[name] - b[name] for name in a}
    mean = {name: (a[name] + b[name]) / 2 for name in a}
    return tuple((layer, layer_norm(difference, layer) / (layer_norm(mean, layer) or 1.0)) for layer in layers)


def answers_apart(a: EvalCompleted, b: EvalCompleted) -> int | None:
    """Count the test digits that the two evaluations answered differently; None if they were of other digits than the test's."""
    if sum(a.confusion) != sum(b.confusion) or not a.confusion:
        return None
    wrong = [{index: (label, predicted) for index, label, predicted in one.mistakes} for one in (a, b)]
    return sum(wrong[0].get(index) != wrong[1].get(index) for index in wrong[0].keys() | wrong[1].keys())


class TwinComparison:
    """Compares the two engines of a run after each epoch, when the second of them has come as far. Thread-safe."""

    def __init__(self, engines: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        """Compare these engines; any other number than two is not compared."""
        self._engines = tuple(engines)
        self._clock = clock
        self._lock = threading.Lock()
        self._weights: dict[int, dict[str, Weights]] = {}
        """The weights that wait for the other engine's, by steps done."""
        self._evaluations: dict[int, dict[str, EvalCompleted]] = {}
        """The evaluations, by steps done."""

    def apply(self, event: Event) -> TwinsCompared | None:
        """Return the comparison that this event of one of the engines completes; None while it completes none."""
        if len(self._engines) != 2 or event.engine not in self._engines:
            return None
        with self._lock:
            if isinstance(event, EvalCompleted):
                self._evaluations.setdefault(event.global_step, {})[event.engine] = event
            elif isinstance(event, CheckpointSaved):
                return self._on_checkpoint(event)
        return None

    def _on_checkpoint(self, event: CheckpointSaved) -> TwinsCompared | None:
        evaluations = self._evaluations.get(event.global_step, {})
        if event.engine not in evaluations:  # written in the middle of an epoch
            return None
        try:
            from engines.experiment.checkpoint import read_weights

            step, weights = read_weights(Path(event.path))
        except Exception:  # a file that can't be read is the checkpoint's own trouble
            return None
        if step != event.global_step:  # a later epoch has replaced it, or a resumed run repeats its past
            return None
        waiting = self._weights.setdefault(step, {})
        waiting[event.engine] = weights
        if len(waiting) < 2 or len(evaluations) < 2:
            while len(self._weights) > MAX_WAITING:
                del self._weights[min(self._weights)]
            return None
        del self._weights[step], self._evaluations[step]
        ours, theirs = (evaluations[engine] for engine in self._engines)
        return TwinsCompared(
            engine=event.engine,
            run_id=event.run_id,
            t=self._clock(),
            epoch=ours.epoch,
            global_step=step,
            layers=weights_apart(waiting[self._engines[0]], waiting[self._engines[1]]),
            answers=answers_apart(ours, theirs),
            test_size=sum(ours.confusion),
        )
