"""Track how far a run is: its position and its running sums. Standard library only."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Position:
    """The progress of a run: the current epoch with its sums, and the results so far."""

    epoch: int = 1
    step: int = 0
    """Steps done in this epoch."""
    global_step: int = 0
    loss_sum: float = 0.0
    correct: float = 0.0
    epoch_seconds: float = 0.0
    """Training seconds in this epoch, without the run's first step."""
    timed_samples: int = 0
    """Samples trained in `epoch_seconds`."""
    train_seconds: float = 0.0
    """Training seconds in all epochs, without the run's first step."""
    evaluated_step: int = 0
    """Global step of the last evaluation of the digits that judge."""
    test_accuracy: float | None = None
    """Accuracy in the last evaluation of the test digits."""
    test_loss: float | None = None
    """Loss in the last evaluation of the test digits."""
    best_accuracy: float = -1.0
    """Accuracy in the best evaluation of the digits that judge: held-out ones, or without any the test digits."""
    best_epoch: int = 0
    evaluations_since_best: int = 0
    """Evaluations since the best one."""

    rate_factor: float = 1.0
    """The product of the user's changes of the learning rate."""

    def advance(self, step: int, loss_sum: float, correct: float, seconds: float = 0.0, timed_samples: int = 0) -> None:
        """Record training up to `step` of this epoch; leave out the seconds and samples of a step that is not timed."""
        self.global_step += step - self.step
        self.step = step
        self.loss_sum += loss_sum
        self.correct += correct
        self.epoch_seconds += seconds
        self.train_seconds += seconds
        self.timed_samples += timed_samples

    def next_epoch(self) -> None:
        """Move to the first step of the next epoch."""
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum = self.correct = self.epoch_seconds = 0.0
        self.timed_samples = 0

    def record_evaluation(self, accuracy: float) -> bool:
        """Record an evaluation of the digits that judge; return whether it is the best so far."""
        self.evaluated_step = self.global_step
        if accuracy > self.best_accuracy:
            self.best_accuracy, self.best_epoch, self.evaluations_since_best = accuracy, self.epoch, 0
            return True
        self.evaluations_since_best += 1
        return False


@dataclass(slots=True)
class Interval:
    """Sums over the training since a moment; unlike Position's, they include the run's first step."""

    started: float = field(default_factory=time.monotonic)
    loss_sum: float = 0.0
    correct: float = 0.0
    seconds: float = 0.0
    samples: int = 0

    def add(self, loss_sum: float, correct: float, seconds: float, samples: int) -> None:
        """Add the sums of further steps."""
        self.loss_sum += loss_sum
        self.correct += correct
        self.seconds += seconds
        self.samples += samples
