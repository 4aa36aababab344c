"""Print, as JSON, the copies to the host in the graphs that the Keras engine would run on a GPU."""

from __future__ import annotations

import dataclasses
import json
from typing import Any
from unittest import mock

from engines.config import TrainConfig
from engines.data import placeholder_dataset
from engines.experiment import recipe
from engines.keras import device, engine, xla
from engines.keras.engine import to_device
from engines.keras.parallel import ParallelEngine
from engines.preset_configs import from_settings
from tests.support.kernel_registry import copies


def graphs_of(config: TrainConfig) -> dict[str, list[str]]:
    """Trace an engine's loop and its forward pass, and return their copies."""
    import tensorflow as tf

    kind: Any = ParallelEngine if "," in config.device else engine.Engine
    model = kind(config, placeholder_dataset(), recipe.initial_weights(0))
    number, seeds = tf.TensorSpec((), tf.int32), tf.TensorSpec(model.seeds.read().shape, tf.int32)
    with tf.device(model.device):
        train = model._train.get_concrete_function(number, number, seeds)
        forward = model.forward.get_concrete_function(tf.TensorSpec((None, 28, 28, 1), tf.uint8))
        part = tf.function(lambda first, last: model.test_images[first:last]).get_concrete_function(number, number)
    return {
        "train": list(copies(train.graph)),
        "forward": list(copies(forward.graph, in_loop=True)),
        "test images": list(copies(part.graph, in_loop=True)),
        "outputs": [output.name for output in train.outputs],
    }


def planted_faults() -> Any:
    """Trace a loop as it is usually written: images as uint8, a counter and bounds as int64, a generator of Keras' own."""
    import keras
    import tensorflow as tf

    images, order = tf.zeros((4, 28, 28, 1), tf.uint8), tf.Variable(tf.range(4, dtype=tf.int64))
    generator = keras.random.SeedGenerator(0)

    @tf.function  # type: ignore[untyped-decorator]
    def loop(first: Any, last: Any) -> Any:
        total = tf.zeros(())
        for step in tf.range(first, last):
            batch = tf.cast(tf.gather(images, order[step : step + 2]), tf.float32)
            total += tf.reduce_sum(keras.random.dropout(batch, 0.5, seed=generator))
        return total

    number = tf.TensorSpec((), tf.int64)
    return loop.get_concrete_function(number, number).graph


def to_gpu(images: Any, labels: Any, name: str) -> Any:
    """Replace `engine.to_device`: hold the digits as a GPU would, which a strategy can't be told to have."""
    return to_device(images, labels, "/GPU:0")


def main() -> None:
    device.devices()
    cases: dict[str, dict[str, Any]] = {
        "adadelta": {}, "adamw": {"optimizer": "adamw"}, "sgd": {"optimizer": "sgd"}, "bf16": {"precision": "bf16"},
        "augmentation": {"augment": "affine"}, "two devices": {"device": "cpu,cpu", "augment": "affine"},
    }  # fmt: skip
    base = dataclasses.replace(from_settings({}), device="cuda:0")
    with (
        mock.patch.object(device, "reset_peak_memory"),
        mock.patch.object(xla, "works"),
        mock.patch.object(engine, "to_device", to_gpu),
    ):
        graphs = {name: graphs_of(dataclasses.replace(base, **settings)) for name, settings in cases.items()}
    print(json.dumps({"engines": graphs, "planted": list(copies(planted_faults()))}))


if __name__ == "__main__":
    main()
