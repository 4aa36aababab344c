"""The distance of two networks that began with equal weights: of their weights, layer by layer, and of their answers."""

from __future__ import annotations

import contextlib
import math
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from engines.messages.events import TERMINAL_EVENTS, CheckpointSaved, EvalCompleted, Event, TwinsCompared

if TYPE_CHECKING:
    from engines.experiment.recipe import Weights

MAX_WAITING = 24
"""Epochs whose weights, 4.8 MB of disk each, may wait for the other engine's; in a time trial all of them wait."""


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


class _Waiting(NamedTuple):
    """An engine's results after an epoch, until the other engine has come as far."""

    evaluation: EvalCompleted
    weights: IO[bytes]
    """The weights in an open file without a name: the checkpoint is overwritten by the next, and memory is scarce in the app."""


def _write_weights(weights: Mapping[str, Any], folder: Path) -> IO[bytes]:
    """Write weights to an open file without a name, whose space is free again once it is closed. Raises OSError."""
    import numpy as np

    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # it stays open until the other engine comes
    try:
        np.savez(file, **weights)
        file.flush()
    except BaseException:
        file.close()
        raise
    return file


def _read_weights(file: IO[bytes]) -> Weights:
    """Read the weights that `_write_weights` wrote. Raises OSError."""
    import numpy as np

    file.seek(0)
    with np.load(file, allow_pickle=False) as archive:
        return dict(archive)


def _read_checkpoint(event: CheckpointSaved) -> Weights | None:
    """Read the weights of a checkpoint; None when they can't be read, or are those of another step."""
    try:
        from engines.experiment.checkpoint import read_weights

        step, weights = read_weights(Path(event.path))
    except Exception:  # a file that can't be read is the checkpoint's own trouble
        return None
    # A later epoch may have replaced it, or a resumed run may repeat its past.
    return weights if step == event.global_step else None


class TwinComparison:
    """Compares the two engines of a run after each epoch, when the second of them has come as far. Thread-safe."""

    def __init__(self, engines: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        """Compare these engines; any other number than two is not compared."""
        self._engines = tuple(engines)
        self._clock = clock
        self._lock = threading.Lock()
        self._evaluations: dict[str, EvalCompleted] = {}
        """The newest evaluation of each engine; a checkpoint of the same step follows it, if any."""
        self._steps: dict[str, float] = dict.fromkeys(self._engines, 0)
        """The steps up to which each engine needs no more comparison; infinite once its run has ended."""
        self._waiting: dict[int, _Waiting] = {}
        """One engine's evaluations and weights, by steps done, that the other engine may still reach."""

    def apply(self, event: Event) -> TwinsCompared | None:
        """Return the comparison that this event of one of the engines completes; None while it completes none."""
        if len(self._engines) != 2 or event.engine not in self._engines:
            return None
        with self._lock:
            if isinstance(event, EvalCompleted):
                self._evaluations[event.engine] = event
            elif isinstance(event, CheckpointSaved):
                return self._on_checkpoint(event)
            elif isinstance(event, TwinsCompared):  # maybe one that a resumed run repeats
                for engine in self._engines:
                    self._advance(engine, event.global_step)
            elif isinstance(event, TERMINAL_EVENTS) and event.run_id:  # without an id, a worker failed outside a run
                self._advance(event.engine, math.inf)
        return None

    def drop_engine(self, engine: str) -> None:
        """Stop waiting for an engine whose run never starts."""
        with self._lock:
            self._advance(engine, math.inf)

    def _other(self, engine: str) -> str:
        return self._engines[self._engines.index(engine) - 1]

    def _advance(self, engine: str, step: float) -> None:
        """Record that an engine needs no comparison up to this step, and drop what waits for it until there."""
        self._steps[engine] = max(step, self._steps.get(engine, 0))
        for waiting_step, waiting in list(self._waiting.items()):
            if waiting.evaluation.engine != engine and waiting_step <= self._steps[engine]:
                self._drop(waiting_step)

    def _drop(self, step: int) -> None:
        self._waiting.pop(step).weights.close()

    def _on_checkpoint(self, event: CheckpointSaved) -> TwinsCompared | None:
        engine, step = event.engine, event.global_step
        ours, theirs = self._evaluations.get(engine), self._waiting.get(step)
        if ours is None or ours.global_step != step or step <= self._steps[engine]:
            return None  # written in the middle of an epoch, or for the second time
        compared = None
        if theirs is not None:
            compared = self._compare(event, ours, theirs)
        elif self._steps[self._other(engine)] < step:
            self._wait(event, ours)
        self._advance(engine, step)
        return compared

    def _wait(self, event: CheckpointSaved, ours: EvalCompleted) -> None:
        """Let an engine's evaluation and weights wait for the other engine's."""
        weights = _read_checkpoint(event)
        if weights is None:
            return
        with contextlib.suppress(OSError):  # on a full disk, the epoch is not compared
            self._waiting[event.global_step] = _Waiting(ours, _write_weights(weights, Path(event.path).parent))
        if len(self._waiting) > MAX_WAITING:
            self._drop(min(self._waiting))

    def _compare(self, event: CheckpointSaved, ours: EvalCompleted, theirs: _Waiting) -> TwinsCompared | None:
        weights = _read_checkpoint(event)
        if weights is None:
            return None
        try:
            first, second = (ours, weights), (theirs.evaluation, _read_weights(theirs.weights))
        except OSError:
            return None
        if event.engine != self._engines[0]:
            first, second = second, first
        return TwinsCompared(
            engine=event.engine,
            run_id=event.run_id,
            t=self._clock(),
            epoch=ours.epoch,
            global_step=event.global_step,
            layers=weights_apart(first[1], second[1]),
            answers=answers_apart(first[0], second[0]),
            test_size=sum(first[0].confusion),
        )
