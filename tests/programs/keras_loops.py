"""Print, as JSON, what the Keras engine's loops compute on a CPU, for the tests in tests/engines/keras/test_loop.py."""

from __future__ import annotations

import gc
import hashlib
import json
import weakref
from typing import Any
from unittest import mock

import numpy as np

from engines.data import Digits
from engines.data.synthetic import draw
from engines.experiment import recipe
from engines.keras import device, xla
from engines.keras.engine import Engine
from engines.preset_configs import from_settings

COUNT, BATCH = 19, 8
"""Digits and digits in a batch: two full batches and a short one."""
EPOCHS, STEPS = 2, -(-COUNT // BATCH)
CALLS = ((0, 1), (1, STEPS))


def digits() -> Digits:
    """Draw training digits, and use some of them as test digits."""
    images, labels = draw(COUNT, 3, lambda *_: None, lambda: False)
    return Digits(images, labels, images[:5], labels[:5], dataset="drawn", source="")


def build(use_xla: bool | None = False, **settings: Any) -> Engine:
    """Build an engine on the CPU, or on a GPU that is not there, whose work TensorFlow then does on the CPU."""
    config = from_settings({"batch_size": BATCH, "epochs": EPOCHS, "device": "cpu", "schedule": "cosine", **settings})
    with mock.patch.object(device, "reset_peak_memory"):
        return Engine(config, digits(), recipe.initial_weights(0), use_xla)


def train(built: Engine, calls: tuple[tuple[int, int], ...] = CALLS) -> dict[str, Any]:
    """Train two epochs, and return all that can be compared; arrays as hashes, so that equal means equal bit for bit."""
    sums = []
    for epoch in range(1, EPOCHS + 1):
        built.start_epoch(recipe.epoch_order(0, epoch, COUNT), np.full(STEPS, 1 / epoch, np.float32))
        sums += [built.train_steps(first, last) for first, last in calls]
    arrays = {**built.weights(), **built.state()}
    arrays |= {"logits": built.evaluate(0, 5), "predicted": built.predict(digits().test_images)}
    hashes = {name: hashlib.sha256(value.tobytes()).hexdigest() for name, value in arrays.items()}
    return {"losses": [loss for loss, _ in sums], "correct": [count for _, count in sums], **hashes}


def with_keras_generators(built: Engine) -> Engine:
    """Let the layers draw from Keras' own generators, whose states are variables of the graph."""
    for generator in built.seeds.generators:
        del generator.next
    built.seeds.generators = []
    built.seeds.drawn = built.seeds.drawn[:0]
    return built


def augmented() -> dict[str, Any]:
    """Train an engine three times from the same start: with its warm-up, without, and with an epoch in one call."""
    built = build(augment="affine", device="cuda:0")
    weights, state, results = built.weights(), built.state(), {}
    for name, calls in (("augmented", CALLS), ("no warm-up", CALLS), ("one call", ((0, STEPS),))):
        built.load_weights(weights)
        built.load_state(state)
        assert built.warm == (name != "augmented")
        results[name] = train(built, calls)
    return results


def with_xla() -> dict[str, Any]:
    """Train with XLA; also list the steps that the first call ran, and count the traces of both loops after all calls."""
    built = build(True, dropout=0.0, device="cuda:0")
    with mock.patch.object(built, "run_steps", wraps=built.run_steps) as run:
        trained = train(built)
    traces = [loop.experimental_get_tracing_count() for loop in (built._train_full, built._train)]
    return trained | {"first steps": [call.args for call in run.call_args_list][:2], "traces": traces}


def program(built: Engine, first: int, last: int, seed: int = 0) -> str:
    """Return XLA's program for these steps, before it is optimised."""
    import tensorflow as tf

    seeds = tf.fill(built.seeds.read().shape, seed)
    compiler = built._train_full.experimental_get_compiler_ir(tf.constant(first), tf.constant(last), seeds)
    return str(compiler(stage="hlo"))


def precision_in_xla(text: str) -> list[int]:
    """Count the program's products and convolutions, and those in full precision."""
    lines = [line for line in text.splitlines() if " dot(" in line or " convolution(" in line]
    return [len(lines), sum("operand_precision={highest,highest}" in line for line in lines)]


def xla_programs() -> dict[str, Any]:
    """Return the products of XLA's programs by precision, and whether the program is the same for other steps and seeds."""
    built = build(True, device="cuda:0")
    text = program(built, 0, 1)
    others = program(built, 3, 9, seed=5)
    fast = program(build(True, device="cuda:0", precision="tf32"), 0, 1)  # its precision is that of the process
    precision = {"fp32": precision_in_xla(text), "tf32": precision_in_xla(fast)}
    return {"precision": precision, "one program": text == others}


def resumed() -> dict[str, list[bool]]:
    """Return whether XLA trains on after a resume, and whether the checkpoint says so, by where it trained and can train."""
    results = {}
    for saved in (False, True):
        state = build(saved, dropout=0.0).state()
        for here in (False, True):
            after = build(here, dropout=0.0)
            after.load_state(state)
            results[f"{saved} {here}"] = [after.xla, "xla" in after.state()]
    return results


def is_freed(optimizer: str) -> bool:
    """Return whether nothing holds a trained engine's digits once the engine is dropped."""
    built = build(optimizer=optimizer)
    built.start_epoch(np.arange(COUNT), np.ones(STEPS, np.float32))
    built.train_steps(0, 1)
    images = weakref.ref(built.train_images)
    del built
    gc.collect()
    return images() is None


def main() -> None:
    device.set_threads(1)
    device.devices()
    results: dict[str, Any] = {"xla": with_xla(), **augmented()}
    results["own seeds"] = train(with_keras_generators(build(augment="affine", device="cuda:0")))
    results["no dropout"] = train(build(dropout=0.0))
    with mock.patch.object(xla, "works", return_value=False):
        results["float16"] = train(build(None, dropout=0.0, device="cuda:0"))
        results["image types"] = [build(None, device=name).train_images.dtype.name for name in ("cpu", "cuda:0")]
    results["freed"] = {optimizer: is_freed(optimizer) for optimizer in ("adadelta", "sgd", "adam", "adamw")}
    print(json.dumps({**results, **xla_programs(), "resumed": resumed()}))


if __name__ == "__main__":
    main()
