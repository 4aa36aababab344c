"""Compute one engine's side of the parity proof and write it as an .npz.

Every engine computes the same on the CPU, in fp32, with dropout off, from the seeded weights, in the seeded order.
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
"""Test digits whose logits are compared before the first step."""
STEPS = 20
"""Steps whose losses are compared one by one: enough to see at which of them rounding parts the two."""
PROGRESS_SECONDS = 0.2
"""Seconds between two progress reports."""


def run(
    module: EngineModule,
    path: Path,
    on_progress: Callable[[int, int], None],
    *,
    seed: int,
    data_dir: str,
    dataset: str,
    full_epoch: bool,
) -> None:
    """Write the results to `path`, and report (steps done, steps in all) to `on_progress`.

    Raises DataError, OSError and whatever the framework raises.
    """
    config = from_settings({"seed": seed, "dropout": 0.0, "device": "cpu", "precision": "fp32"})
    digits = load_digits(
        dataset, Path(data_dir) if data_dir else None, cache_dir=Path(os.environ["MNIST_TUI_CACHE_DIR"])
    )
    engine = module.Engine(config, digits, recipe.initial_weights(seed))
    order = recipe.epoch_order(seed, 1, len(digits.train_labels))
    size = config.batch_size
    steps_per_epoch = -(-len(order) // size)
    compared = min(STEPS, len(order) // size)
    steps = steps_per_epoch if full_epoch else compared
    results: dict[str, Any] = {
        "digits_sha256": digits.sha256,
        "dataset": digits.dataset,
        "order_sha256": recipe.order_sha256(order),
        "framework": module.framework(),
        "logits": engine.evaluate(0, LOGITS),
    }
    results |= {f"before.{name}": value for name, value in engine.weights().items()}
    engine.start_epoch(order, recipe.learning_rates(config, 1, steps_per_epoch))
    losses, total, reported = [], 0.0, time.monotonic()
    for step in range(steps):
        loss_sum, _ = engine.train_steps(step, step + 1)
        total += loss_sum
        if step < compared:
            losses.append(loss_sum / size)
        if step == 0:
            results |= {f"after.{name}": value for name, value in engine.weights().items()}
        if time.monotonic() - reported > PROGRESS_SECONDS or step == steps - 1:
            reported = time.monotonic()
            on_progress(step + 1, steps)
    results["losses"] = np.array(losses)
    if full_epoch:
        labels = digits.test_labels
        parts = [engine.evaluate(i, min(i + 500, len(labels))) for i in range(0, len(labels), 500)]
        results |= {"epoch_loss": total / len(order), "answers": np.concatenate(parts).argmax(axis=1), "labels": labels}
    save_arrays(results, path)
