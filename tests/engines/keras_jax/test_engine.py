"""Tests of where Keras on JAX computes, and of its loop over steps, in a process of its own with two forced devices."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import engines
from tests.support.engines import JAX_PYTHON

pytestmark = [
    pytest.mark.framework,
    pytest.mark.skipif(not JAX_PYTHON and not importlib.util.find_spec("jax"), reason="no JAX on this machine"),
]

SCRIPT = """
import collections, dataclasses, json
import jax, numpy as np
from engines.data import placeholder_dataset
from engines.experiment import recipe
from engines.keras_jax import device
from engines.keras_jax.engine import Engine
from engines.preset_configs import from_settings

first, second = jax.devices()
device.device_name = lambda _: "cpu:1"
images = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
labels = np.arange(20, dtype=np.uint8) % 10
digits = dataclasses.replace(
    placeholder_dataset(), train_images=images, train_labels=labels, test_images=images, test_labels=labels
)
order, rates = np.arange(20), np.linspace(0.01, 0.02, 3).astype(np.float32)
landed, figures, arrays, compiled = [], {}, {}, {}
own_softmax = jax.nn.softmax

def note(*values):
    arrays = [array for array in jax.tree.leaves(values) if isinstance(array, jax.Array)]
    landed.extend(array for array in arrays if first in array.devices())

def softmax(logits):
    probabilities = own_softmax(logits)
    note(logits, probabilities)
    return probabilities

jax.nn.softmax = softmax
for name, loops, splits in (("steps", False, [[(0, 3)]]), ("loop", True, [[(0, 3)], [(0, 1), (1, 3)]])):
    engine = Engine(from_settings({"batch_size": 8, "device": "cpu"}), digits, recipe.initial_weights(0))
    engine.loops = loops
    forward, start = engine.forward, engine.state()

    def noted_forward(*args, **kwargs):
        outputs = forward(*args, **kwargs)
        note(args, outputs)
        return outputs

    engine.forward = noted_forward
    engine.start_epoch(order, rates)
    figures[name], arrays[name] = [], []
    for calls in splits:
        engine.load_weights(recipe.initial_weights(0))
        engine.load_state(start)
        figures[name].append(np.sum([engine.train_steps(*call) for call in calls], axis=0).tolist())
        arrays[name].append({**engine.weights(), **engine.state()})
    compiled[name] = sorted(engine.compiled)
    engine.evaluate(0, 5)
    engine.predict(images[:1])
    note(engine.train_images, engine.train_labels, engine.test_images, engine.order, engine.rates)
    note([[variable.value for variable in group] for group in engine.state_variables()])
    note(jax.live_arrays())

class FakeGpu:
    device_kind = "Fake GPU"

    def __init__(self, error):
        self.error = error

    def block_until_ready(self):
        if self.error:
            raise RuntimeError(self.error)

    def memory_stats(self):
        return {"bytes_in_use": 3, "peak_bytes_in_use": 5}

def fail(kind):
    raise RuntimeError("Backend 'cuda' failed to initialize: no supported devices found")

jax.devices = lambda kind: [FakeGpu(""), FakeGpu("INTERNAL: uncorrectable ECC error")]
jax.device_put = lambda value, gpu: gpu
found, memory = device.devices(), [device.memory_bytes(name) for name in ("cpu:0", "gpu:0")]
jax.devices = fail
none_found = device.devices()
(steps,), (loop, split) = arrays["steps"], arrays["loop"]
print(json.dumps({
    "devices": [first.id, second.id], "landed": sorted({str(array.shape) for array in landed}),
    "figures": figures, "compiled": compiled,
    "difference": max(float(np.abs(loop[name].astype(float) - steps[name]).max()) for name in steps),
    "found": [[gpu.id, gpu.usable, gpu.reason] for gpu in found[1:] + none_found[1:]], "memory": memory,
    "unsplit": all(np.array_equal(loop[name], split[name]) for name in loop),
}))
"""


@pytest.fixture(scope="module")
def results() -> Any:
    """Run the script once for all tests."""
    variables = {
        "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": "--xla_force_host_platform_device_count=2"
    }  # fmt: skip
    done = subprocess.run(
        [JAX_PYTHON or sys.executable, "-c", SCRIPT],
        cwd=Path(engines.__file__).parents[1],
        env={**os.environ, **variables},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout)


def test_nothing_lands_on_another_device(results: Any) -> None:
    """Digits, order, rates, weights, slots, logits and probabilities are on the run's own device, the second of two."""
    assert results["devices"] == [0, 1]
    assert results["landed"] == []


def test_the_loop_trains_as_single_steps_do(results: Any) -> None:
    """XLA may round otherwise in a loop; the sums, weights, slots and random state agree to that."""
    assert results["figures"]["loop"][0] == pytest.approx(results["figures"]["steps"][0], rel=1e-6)
    assert results["difference"] < 1e-6


def test_a_loop_may_be_split_into_any_calls(results: Any) -> None:
    """The full batches and the short one are compiled in the first call, and no number of steps needs another program."""
    assert results["compiled"] == {"steps": [4, 8], "loop": [4, 8]}
    assert results["figures"]["loop"][0] == results["figures"]["loop"][1]
    assert results["unsplit"]


def test_a_sick_gpu_has_its_own_reason(results: Any) -> None:
    """The others stay usable; where JAX offers none because one fails, its reason is shown."""
    assert results["found"] == [
        ["cuda:0", True, ""],
        ["cuda:1", False, "RuntimeError: INTERNAL: uncorrectable ECC error"],
        ["cuda:0", False, "RuntimeError: Backend 'cuda' failed to initialize: no supported devices found"],
    ]


def test_memory_is_the_peak(results: Any) -> None:
    assert results["memory"] == [None, 5]
