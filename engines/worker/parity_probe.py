"""What a worker does once instead of serving: the parity proof's exam, and saying its hyperparameters.

The exam: one engine does what both are asked to do, and writes its answers down as an .npz: on the CPU, in fp32, dropout off, with
the seeded weights, in the seeded order.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engines.data import load_digits
from engines.experiment import recipe
from engines.experiment.arrays import save_arrays
from engines.experiment.contract import EngineModule
from engines.preset_configs import from_settings

LOGITS = 512
"""Test digits whose logits are compared before any step."""
STEPS = 3
"""Steps whose losses are compared one by one."""
TELL_SECONDS = 0.2


def run(
    module: EngineModule,
    answers: Path,
    tell: Callable[[int, int], None],
    *,
    seed: int,
    data_dir: str,
    dataset: str,
    whole_epoch: bool,
) -> None:
    """Answer every question, and tell how many steps of how many are done.

    Raises DataError, OSError and whatever the framework raises.
    """
    config = from_settings({"seed": seed, "dropout": 0.0, "device": "cpu", "precision": "fp32"})
    digits = load_digits(
        dataset, Path(data_dir) if data_dir else None, cache_dir=Path(os.environ["MNIST_TUI_CACHE_DIR"])
    )
    engine = module.Engine(config, digits, recipe.initial_weights(seed))
    order = recipe.epoch_order(seed, 1, len(digits.train_labels))
    size = config.batch_size
    steps = -(-len(order) // size)
    asked = steps if whole_epoch else STEPS
    written: dict[str, Any] = {
        "digits_sha256": digits.sha256,
        "dataset": digits.dataset,
        "order_sha256": recipe.order_sha256(order),
        "framework": module.framework(),
        "logits": engine.evaluate(0, LOGITS),
    }
    written |= {f"before.{name}": value for name, value in engine.weights().items()}
    engine.start_epoch(order, recipe.learning_rates(config, 1, steps))
    losses, total, said = [], 0.0, time.monotonic()
    for step in range(asked):
        loss_sum, _ = engine.train_steps(step, step + 1)
        total += loss_sum
        if step < STEPS:
            losses.append(loss_sum / size)
        if step == 0:
            written |= {f"after.{name}": value for name, value in engine.weights().items()}
        if time.monotonic() - said > TELL_SECONDS or step == asked - 1:
            said = time.monotonic()
            tell(step + 1, asked)
    written["losses"] = np.array(losses)
    if whole_epoch:
        labels = digits.test_labels
        parts = [engine.evaluate(i, min(i + 500, len(labels))) for i in range(0, len(labels), 500)]
        written |= {"epoch_loss": total / len(order), "answers": np.concatenate(parts).argmax(axis=1), "labels": labels}
    save_arrays(written, answers)
