"""How far a run has come: its position and its running sums. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Position:
    """How far a run is: the epoch under way and what it has summed up so far."""

    epoch: int = 1
    step: int = 0
    """Steps done in this epoch."""
    global_step: int = 0
    loss_sum: float = 0.0
    correct: float = 0.0
    epoch_seconds: float = 0.0
    """Training seconds in this epoch."""
    timed_samples: int = 0
    """The samples that were trained in them."""
    train_seconds: float = 0.0
    """Training seconds in all."""
    evaluated_step: int = 0
    """The global step of the last evaluation."""
    test_accuracy: float | None = None
    """At the last evaluation, as the next."""
    test_loss: float | None = None
    best_accuracy: float = -1.0
    best_epoch: int = 0
    evaluations_since_best: int = 0
    """Evaluations since the best one."""

    def advance(self, step: int, loss_sum: float, correct: float, seconds: float = 0.0, timed_samples: int = 0) -> None:
        """Training went on to that step; a step that is not timed gives no seconds."""
        self.global_step += step - self.step
        self.step = step
        self.loss_sum += loss_sum
        self.correct += correct
        self.epoch_seconds += seconds
        self.train_seconds += seconds
        self.timed_samples += timed_samples

    def next_epoch(self) -> None:
        """The epoch is over."""
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum = self.correct = self.epoch_seconds = 0.0
        self.timed_samples = 0

    def record_evaluation(self, accuracy: float, loss: float) -> bool:
        """Take an evaluation into account; whether it is the best so far."""
        self.evaluated_step, self.test_accuracy, self.test_loss = self.global_step, accuracy, loss
        if accuracy > self.best_accuracy:
            self.best_accuracy, self.best_epoch, self.evaluations_since_best = accuracy, self.epoch, 0
            return True
        self.evaluations_since_best += 1
        return False
