"""A self-test of TensorFlow for the doctor: build, devices, one real step. The mirror file is engines/pytorch/selftest.py."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engines.keras.device import device_name


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
    """Compile one function with XLA and return how that went; XLA may end the process instead."""
    compiled = tf.function(lambda x: tf.reduce_sum(x * x), jit_compile=True)
    return "compiles" if float(compiled(tf.ones(8))) == 8.0 else "computes wrongly"
