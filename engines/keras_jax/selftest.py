"""A self-test of JAX for the doctor: its devices and one real step. The mirror files are the other packages' selftest.py."""

from __future__ import annotations

from typing import Any

import jax
import keras
from jax import numpy as jnp
from keras import ops

from engines.keras_jax.device import device_name, jax_device


def build_info() -> dict[str, Any]:
    """Return nothing: JAX reports no versions of CUDA and cuDNN, and compiles its kernels for the GPU that it finds."""
    return {}


def device_info(device: str) -> dict[str, Any]:
    """Return the memory in bytes and the compute capability of a GPU."""
    if not device.startswith("cuda"):
        return {}
    gpu = jax_device(device_name(device))
    memory_bytes = (gpu.memory_stats() or {}).get("bytes_limit")
    return {"memory_bytes": memory_bytes, "capability": str(getattr(gpu, "compute_capability", ""))}


def check_step(device: str) -> None:
    """Run a convolution forward and backward. Raises whatever the framework raises."""
    with keras.device(device_name(device)):
        images, kernel = jnp.ones((8, 28, 28, 1)), jnp.full((3, 3, 1, 4), 0.1)
        gradient = jax.grad(lambda kernel: jnp.mean(jnp.square(ops.conv(images, kernel))))(kernel)
    if not bool(jnp.isfinite(gradient).all()):
        raise ArithmeticError("a convolution's gradient is not finite")


def check_xla() -> str:
    """Return that XLA compiles: it compiled the step of `check_step`."""
    return "compiles"
