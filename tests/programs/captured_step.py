"""Train with the step that a GPU captures, on the CPU, and print what came of it as JSON: `captured_step CHECK...`."""

from __future__ import annotations

import copy
import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment import recipe
from engines.experiment.arrays import Arrays
from engines.preset_configs import from_settings
from engines.pytorch import captured_step
from engines.pytorch.engine import Engine, set_threads
from tests.support.digits import random_digits

BATCH, TRAIN_SIZE = 8, 29
"""The last of the 4 steps has a batch of 5."""
RATES = {"adadelta": 1.0, "sgd": 0.01}
CONFIGS: dict[str, dict[str, Any]] = {
    "adadelta": {},
    "adadelta, cosine": {"schedule": "cosine"},
    "adadelta, no dropout": {"dropout": 0.0},
    "adadelta, augmentation": {"augment": "affine"},
    "adadelta, bf16": {"precision": "bf16"},
    "sgd": {"optimizer": "sgd", "momentum": 0.0},
    "sgd, momentum, cosine": {"optimizer": "sgd", "momentum": 0.9, "schedule": "cosine"},
    "adam": {"optimizer": "adam"},
    "adamw, cosine": {"optimizer": "adamw", "schedule": "cosine"},
}


class FakeCudaGraph:
    """Records the work itself instead of its kernels, and does it again at each replay."""

    log: list[str]
    """The calls of all graphs, and the batches that were trained, in order."""
    fails = False

    def __init__(self, device: object) -> None:
        self.work: Callable[[], None] | None = None

    def warm_up(self, work: Callable[[], None]) -> None:
        self.log.append("warm-up")
        work()

    def record(self, work: Callable[[], None]) -> None:
        self.log.append("record")
        if self.fails:
            raise RuntimeError("CUDA error: operation not permitted when stream is capturing")
        self.work = work

    def replay(self) -> None:
        self.log.append("replay")
        assert self.work
        self.work()


class LoggedEngine(Engine):
    """Logs the size of each batch that is trained."""

    def train_batch(self, indices: Any, rate: Any) -> Any:
        FakeCudaGraph.log.append(f"batch of {len(indices)}")
        return super().train_batch(indices, rate)


def config_of(settings: dict[str, Any]) -> TrainConfig:
    rate = RATES.get(settings.get("optimizer", "adadelta"), 0.001)
    return from_settings({"batch_size": BATCH, "epochs": 2, "device": "cpu", "learning_rate": rate, **settings})


def build(settings: dict[str, Any], *, captures: bool, train_size: int = TRAIN_SIZE) -> Engine:
    """Build an engine on the CPU that trains its full batches by a captured step, or one after the other."""
    images, labels = random_digits(train_size)
    digits = Digits(images, labels, images[:20], labels[:20], dataset="custom", source="")
    engine = LoggedEngine(config_of(settings), digits, recipe.initial_weights(1))
    engine.captured_step.enabled = captures
    return engine


def start_epoch(engine: Engine, settings: dict[str, Any], epoch: int) -> None:
    order = recipe.epoch_order(1, epoch, len(engine.order))
    engine.start_epoch(order, recipe.learning_rates(config_of(settings), epoch, len(engine.rates)))


def train(engine: Engine, settings: dict[str, Any], calls: list[int], epochs: tuple[int, ...] = (1, 2)) -> list[Any]:
    """Train epochs, each in calls of so many steps; return the sums of each epoch."""
    sums = []
    for epoch in epochs:
        start_epoch(engine, settings, epoch)
        ends = np.cumsum(calls).tolist()
        results = [engine.train_steps(last - count, last) for count, last in zip(calls, ends, strict=True)]
        sums.append([sum(loss for loss, _ in results), sum(correct for _, correct in results)])
    return sums


def everything(engine: Engine) -> Arrays:
    """Copy the weights and the state."""
    return copy.deepcopy({**engine.weights(), **engine.state()})


def differences(one: Arrays, two: Arrays) -> list[str]:
    """Name the arrays that are not equal bit for bit."""
    return [
        name for name in one | two if name not in one or name not in two or not np.array_equal(one[name], two[name])
    ]


def check_equality() -> Any:
    """Compare both ways of training, two epochs each, for each optimizer and setting."""
    results = {}
    for name, settings in CONFIGS.items():
        outcomes = []
        for captures in (False, True):
            engine = build(settings, captures=captures)
            outcomes.append((train(engine, settings, [1, 1, 2]), everything(engine)))
        (eager_sums, eager), (sums, captured) = outcomes
        results[name] = {"sums": [eager_sums, sums], "different": differences(eager, captured)}
    return results


def check_calls() -> Any:
    """Split the steps of an epoch into calls in several ways; return the sums, and what differs from one call."""
    results = {}
    whole: Arrays = {}
    for calls in ([4], [1] * 4, [3, 1], [2, 2], [1, 3]):
        engine = build({}, captures=True)
        sums = train(engine, {}, calls)
        whole = whole or everything(engine)
        results[str(calls)] = [sums, differences(whole, everything(engine))]
    return results


def check_resume() -> Any:
    """Resume in mid-epoch and at the short last batch, in a new engine and in one that has captured its step before."""
    results = {}
    for settings in ({}, {"optimizer": "adam"}, {"optimizer": "sgd", "momentum": 0.9}):
        whole = build(settings, captures=True)
        train(whole, settings, [4])
        expected = everything(whole)
        for done in (2, 3):
            part = build(settings, captures=True)
            start_epoch(part, settings, 1)
            part.train_steps(0, done)
            weights, state = part.weights(), copy.deepcopy(part.state())
            for engine in (build(settings, captures=True), whole):
                FakeCudaGraph.log.clear()
                engine.load_weights(weights)
                engine.load_state(copy.deepcopy(state))
                start_epoch(engine, settings, 1)
                engine.train_steps(done, 4)
                train(engine, settings, [4], epochs=(2,))
                kind = "used" if engine is whole else "new"
                name = f"{settings.get('optimizer', 'adadelta')} from step {done} in a {kind} engine"
                results[name] = [differences(expected, everything(engine)), FakeCudaGraph.log.count("record")]
    return results


def check_first_call() -> Any:
    """Return what was done in calls of digits with a short last batch, without one, and with nothing else."""
    results = {}
    for train_size, calls in ((TRAIN_SIZE, [1, 3]), (2 * BATCH, [2]), (5, [1])):
        engine = build({}, captures=True, train_size=train_size)
        start_epoch(engine, {}, 1)
        for number, last in enumerate(np.cumsum(calls).tolist()):
            FakeCudaGraph.log.clear()
            engine.train_steps(last - calls[number], last)
            results[f"{train_size} digits, call {number + 1}"] = list(FakeCudaGraph.log)
    return results


def check_new_rates() -> Any:
    """Change the rates in mid-epoch, after the step was captured; return the arrays that differ from an eager engine's, and all."""
    outcomes = []
    for captures in (False, True):
        engine = build({}, captures=captures)
        start_epoch(engine, {}, 1)
        engine.train_steps(0, 2)
        rates = recipe.learning_rates(config_of({}), 1, len(engine.rates))
        rates[2:] *= np.float32(0.25)
        engine.start_epoch(recipe.epoch_order(1, 1, len(engine.order)), rates)
        engine.train_steps(2, 4)
        outcomes.append(everything(engine))
    unchanged = build({}, captures=True)
    train(unchanged, {}, [4], epochs=(1,))
    return {"different": differences(*outcomes), "moved": differences(outcomes[1], everything(unchanged))}


def check_failure() -> Any:
    """Let every capture fail; return the differences to an engine without captures, the log and the warnings."""
    warnings: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())  # type: ignore[method-assign]
    captured_step.logger.addHandler(handler)
    FakeCudaGraph.fails = True
    outcomes = []
    for captures in (False, True):
        engine = build({}, captures=captures)
        FakeCudaGraph.log.clear()
        outcomes.append((train(engine, {}, [1, 1, 2]), everything(engine)))
    FakeCudaGraph.fails = False
    graphs = [entry for entry in FakeCudaGraph.log if not entry.startswith("batch")]
    (eager_sums, eager), (sums, failing) = outcomes
    return {
        "same sums": eager_sums == sums,
        "different": differences(eager, failing),
        "graphs": graphs,
        "warnings": warnings,
    }


def check_synchronisations() -> Any:
    """Count the reads of tensors in one call of three steps, and those of them that read a learning rate on the host."""
    import torch

    engine = build({}, captures=False)
    start_epoch(engine, {}, 1)
    engine.train_steps(0, 1)
    rates = engine.rates.untyped_storage().data_ptr()
    reads: list[str] = []

    def logged(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def read(tensor: Any) -> Any:
            reads.append("rate" if tensor.untyped_storage().data_ptr() == rates else name)
            return original(tensor)

        return read

    for name in ("item", "tolist", "numpy", "cpu", "__bool__", "__float__", "__int__"):
        setattr(torch.Tensor, name, logged(name, getattr(torch.Tensor, name)))
    engine.train_steps(1, 4)
    return reads


def main(*checks: str) -> int:
    """Run the checks; return the exit code."""
    set_threads(1)
    FakeCudaGraph.log = []
    captured_step.CudaGraph = FakeCudaGraph  # type: ignore[assignment,misc]
    print(json.dumps({check: globals()[f"check_{check}"]() for check in checks}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
