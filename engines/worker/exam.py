"""What a worker does once instead of serving: the parity proof's exam, and a race against the clock.

The exam: one engine does what both are asked to do, and writes its answers down as an .npz: dropout off, fp32, the seeded weights,
the seeded order. The race: one epoch by our engine or by the plain script, in seconds.
"""

from __future__ import annotations

import importlib
import os
import time
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


def race(module: ModuleType, answer: Path, *, kind: str, digits: int, data_dir: str) -> None:
    """Write the seconds of one epoch over so many digits, by our engine ("ours") or by the plain script ("plain").

    Both warm up for ten steps first.
    """
    config = from_settings({"device": "cpu"})
    data = load_digits(
        "auto", Path(data_dir) if data_dir else None, cache_dir=Path(os.environ["MNIST_TUI_CACHE_DIR"])
    ).limited(digits, None)
    if kind == "plain":
        plain = importlib.import_module(module.__name__.replace("_engine", "_plain"))
        seconds = plain.train_seconds(data)
    else:
        engine = module.Engine(config, data, recipe.initial_weights(config.seed))
        engine.start_epoch(recipe.epoch_order(config.seed, 1, digits))
        for step in range(10):
            engine.train_steps(step, step + 1)
        before = time.perf_counter()
        for step in range(-(-digits // config.batch_size)):
            engine.train_steps(step, step + 1)
        seconds = time.perf_counter() - before
    answer.write_text(str(seconds), encoding="utf-8")
