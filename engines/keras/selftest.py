"""A self-test of TensorFlow for the doctor: build, devices, one real step. The mirror file is engines/pytorch/selftest.py."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import tensorflow as tf

from engines.config import TrainConfig
from engines.data import placeholder_dataset
from engines.experiment import recipe
from engines.keras.device import device_name
from engines.keras.engine import Engine


def build_info() -> dict[str, Any]:
    """Return the build's versions of CUDA and cuDNN, and the architectures that it has kernels for."""
    build = tf.sysconfig.get_build_info()
    kernels = build.get("cuda_compute_capabilities", [])
    return {"cuda": build.get("cuda_version", ""), "cudnn": build.get("cudnn_version", ""), "kernels": list(kernels)}


def device_info(device: str) -> dict[str, Any]:
    """Return the compute capability of a GPU; TensorFlow does not report its memory."""
    if not device.startswith("cuda"):
        return {}
    gpu = tf.config.list_physical_devices("GPU")[int(device.partition(":")[2])]
    capability = tf.config.experimental.get_device_details(gpu).get("compute_capability", ())
    return {"capability": ".".join(map(str, capability))}


def check_step(device: str) -> None:
    """Run a convolution forward and backward. Raises whatever the framework raises."""
    with tf.device(device_name(device)):
        images, kernel = tf.ones((8, 28, 28, 1)), tf.fill((3, 3, 1, 4), 0.1)
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            loss = tf.reduce_mean(tf.square(tf.nn.conv2d(images, kernel, 1, "VALID")))
        gradient = tape.gradient(loss, kernel)
    if not bool(tf.reduce_all(tf.math.is_finite(gradient))):
        raise ArithmeticError("a convolution's gradient is not finite")


def check_xla() -> str:
    """Train two steps as TensorFlow's operations and as one XLA program; return how that went. XLA may end the process instead."""
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    count = 256 if on_gpu else 8  # XLA's convolutions are slow on a CPU
    config = TrainConfig(device="cuda:0" if on_gpu else "cpu", batch_size=count // 2, dropout=0.0)
    images = np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8)
    labels = np.arange(count, dtype=np.uint8) % 10
    digits = dataclasses.replace(placeholder_dataset(), train_images=images, train_labels=labels)
    losses = []
    try:
        for use_xla in (False, True):
            engine = Engine(config, digits, recipe.initial_weights(0), use_xla)
            engine.start_epoch(np.arange(count), recipe.learning_rates(config, 1, 2))
            losses.append(engine.train_steps(0, 2)[0])
    except Exception as error:  # whatever XLA, the driver or a library raises
        return f"fails: {type(error).__name__}: {str(error).strip()[:300]}"
    return "compiles" if math.isclose(*losses, rel_tol=1e-3) else f"computes wrongly: losses {losses}"
