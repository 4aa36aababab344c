"""The child side of the parity proof: one engine does what both are asked to do, and writes its answers down.

`python -m engines.worker ENGINE --exam FILE ...`: dropout off, fp32, the seeded weights, the seeded order. FILE is an .npz.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from engines.config import from_settings
from engines.data import load_digits
from engines.worker import recipe

LOGITS = 512
"""Test digits whose logits are compared before any step."""
STEPS = 3
"""Steps whose losses are compared one by one."""


def sit(module: ModuleType, answers: Path, *, seed: int, data_dir: str, dataset: str, whole_epoch: bool) -> None:
    """Answer every question. Raises DataError, OSError and whatever the framework raises."""
    config = from_settings({"seed": seed, "dropout": 0.0, "device": "cpu", "precision": "fp32"})
    digits = load_digits(
        dataset, Path(data_dir) if data_dir else None, cache_dir=Path(os.environ["MNIST_TUI_CACHE_DIR"])
    )
    engine = module.Engine(config, digits, recipe.initial_weights(seed))
    order = recipe.epoch_order(seed, 1, len(digits.train_labels))
    written: dict[str, Any] = {
        "digits_sha256": digits.sha256,
        "dataset": digits.dataset,
        "order_sha256": recipe.order_sha256(order),
        "framework": module.framework(),
        "logits": engine.evaluate(0, LOGITS),
    }
    written |= {f"before.{name}": value for name, value in engine.weights().items()}
    engine.start_epoch(order)
    size = config.batch_size
    losses = []
    for step in range(STEPS):
        loss_sum, _ = engine.train_steps(step, step + 1)
        losses.append(loss_sum / size)
        if step == 0:
            written |= {f"after.{name}": value for name, value in engine.weights().items()}
    written["losses"] = np.array(losses)
    if whole_epoch:
        steps, total = -(-len(order) // size), sum(losses) * size
        for step in range(STEPS, steps):
            total += engine.train_steps(step, step + 1)[0]
        logits = np.concatenate(
            [engine.evaluate(i, min(i + 500, len(digits.test_labels))) for i in range(0, len(digits.test_labels), 500)]
        )
        written |= {"epoch_loss": total / len(order), "answers": logits.argmax(axis=1), "labels": digits.test_labels}
    recipe.save_weights(written, answers)
