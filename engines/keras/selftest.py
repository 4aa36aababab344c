"""What TensorFlow can be asked about itself and its devices. Its twin is pytorch_look.py."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from engines.keras.engine import device_name


def facts() -> dict[str, Any]:
    """Of the build: versions of CUDA and cuDNN, and the architectures that it has kernels for."""
    build = tf.sysconfig.get_build_info()
    kernels = build.get("cuda_compute_capabilities", [])
    return {"cuda": build.get("cuda_version", ""), "cudnn": build.get("cudnn_version", ""), "kernels": list(kernels)}


def details(device: str) -> dict[str, Any]:
    """Compute capability of a GPU; TensorFlow does not tell its memory."""
    if not device.startswith("cuda"):
        return {}
    gpu = tf.config.list_physical_devices("GPU")[int(device.partition(":")[2])]
    capability = tf.config.experimental.get_device_details(gpu).get("compute_capability", ())
    return {"capability": ".".join(map(str, capability))}


def try_step(device: str) -> None:
    """A convolution forward and backward. Raises what the framework raises."""
    with tf.device(device_name(device)):
        images, kernel = tf.ones((8, 28, 28, 1)), tf.fill((3, 3, 1, 4), 0.1)
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            loss = tf.reduce_mean(tf.square(tf.nn.conv2d(images, kernel, 1, "VALID")))
        gradient = tape.gradient(loss, kernel)
    if not bool(tf.reduce_all(tf.math.is_finite(gradient))):
        raise ArithmeticError("a convolution's gradient is not finite")


def try_xla() -> str:
    """Compile one function by XLA; says how that went, if the process lives to tell."""
    compiled = tf.function(lambda x: tf.reduce_sum(x * x), jit_compile=True)
    return "compiles" if float(compiled(tf.ones(8))) == 8.0 else "computes wrongly"
