"""Tests of the operations of a training step in Keras on PyTorch, in a process of its own."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.programs import results_of

pytestmark = pytest.mark.framework

MOST_OPERATIONS = 200
"""Operations of one step, views included: Keras' own augmentation has 7,300 for 64 images."""

HOST_WAITS = ("_local_scalar_dense", "lift_fresh")
"""PyTorch's operations that read a number from the device, and that make one on the host to put it there."""

SCRIPT = """
import collections, dataclasses, json
import keras, numpy as np, torch
from torch.utils._python_dispatch import TorchDispatchMode
from engines.data import placeholder_dataset
from engines.experiment import recipe
from engines.keras import augment as shared
from engines.keras_torch.augment import RandomAffine
from engines.keras_torch.engine import Engine
from engines.preset_configs import from_settings

class Recorder(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.operations = collections.Counter()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.operations[operation._schema.name.removeprefix("aten::")] += 1
        return operation(*args, **kwargs or {})

images = np.random.default_rng(0).integers(0, 256, (100, 28, 28), dtype=np.uint8)
digits = dataclasses.replace(placeholder_dataset(), train_images=images, train_labels=np.arange(100, dtype=np.uint8) % 10)

def engine(**settings):
    config = from_settings({"batch_size": 64, "augment": "affine", "device": "cpu", **settings})
    engine = Engine(config, digits, recipe.initial_weights(0))
    engine.start_epoch(np.arange(100), np.full(2, 0.01, np.float32))
    return engine

operations = {}
for optimizer, momentum in (("adadelta", 0.9), ("sgd", 0.0), ("sgd", 0.9), ("adam", 0.9), ("adamw", 0.9)):
    trained = engine(optimizer=optimizer, momentum=momentum)
    with Recorder() as recorder:
        trained.train_steps(0, 1)
    operations[f"{optimizer} {momentum}"] = recorder.operations

def draw(shape, low, high, seed):
    return torch.empty(shape).uniform_(low, high)

keras.random.uniform = draw
batch, mapped = torch.from_numpy(images[:8, :, :, None] / np.float32(255)), []
for layer in (shared.RandomAffine(), RandomAffine()):
    torch.manual_seed(3)
    mapped.append(layer(batch))

def train(is_warm):
    trained = engine()
    trained.is_warm = is_warm
    return trained.train_steps(0, 2), trained

(cold, after_cold), (warm, after_warm) = train(False), train(True)
arrays = [{**trained.weights(), **trained.state()} for trained in (after_cold, after_warm)]
print(json.dumps({
    "operations": operations,
    "moved": (mapped[0] - batch).abs().max().item(), "error": (mapped[0] - mapped[1]).abs().max().item(),
    "unchanged by the warm-up": cold == warm and all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[1]),
}))
"""


@pytest.fixture(scope="module")
def results() -> Any:
    """Run the script once for all tests."""
    return results_of("pytorch", SCRIPT, code=True, KERAS_BACKEND="torch")


def test_a_step_with_augmentation_has_few_operations(results: Any) -> None:
    counts = {name: sum(operations.values()) for name, operations in results["operations"].items()}
    assert {name: count for name, count in counts.items() if count > MOST_OPERATIONS} == {}
    assert len(counts) == 5


def test_no_step_waits_for_the_device(results: Any) -> None:
    """Every optimizer keeps its numbers on the device, so that the host can enqueue step after step on a GPU."""
    assert [name for name, operations in results["operations"].items() if set(HOST_WAITS) & set(operations)] == []


def test_the_augmentation_is_that_of_keras(results: Any) -> None:
    """The same numbers give the same images, to the rounding of the positions."""
    assert results["moved"] > 0.5
    assert results["error"] < 1e-4


def test_a_warm_up_changes_nothing(results: Any) -> None:
    """The first call on a GPU runs a short batch beforehand; losses, weights and state are those without it."""
    assert results["unchanged by the warm-up"]
