"""Change the learning rates of a run in the middle of an epoch, at the step that the user's command names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from engines.messages.events import LearningRateChanged

if TYPE_CHECKING:
    from engines.worker.training_loop import Run


def steps_before_change(run: Run) -> list[int]:
    """Return after how many steps from here each change is due."""
    return [one.global_step - run.position.global_step for one in run.channel.rate_changes]


def change_rates(run: Run) -> None:
    """Make the changes that are due, and publish each."""
    position = run.position
    for change in [one for one in run.channel.rate_changes if one.global_step <= position.global_step]:
        run.channel.rate_changes.remove(change)
        before = float(run.rates[position.step])
        run.rates = run.rates * np.float32(change.factor)
        position.rate_factor *= change.factor
        run.engine.start_epoch(run.order, run.rates)
        run.channel.publish(
            LearningRateChanged,
            global_step=position.global_step,
            before=before,
            after=float(run.rates[position.step]),
            requested_step=change.global_step,
        )
