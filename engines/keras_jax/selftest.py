"""What JAX can be asked about itself and its devices. Its twins are keras_look.py and pytorch_look.py."""

from __future__ import annotations

from typing import Any

import jax
import keras
from jax import numpy as jnp
from keras import ops

from engines.keras_jax.engine import device_name, jax_device


def facts() -> dict[str, Any]:
    """Nothing: JAX tells no versions of CUDA and cuDNN, and compiles its kernels for the GPU that it finds."""
    return {}


def details(device: str) -> dict[str, Any]:
    """Memory in bytes and compute capability of a GPU."""
    if not device.startswith("cuda"):
        return {}
    gpu = jax_device(device_name(device))
    said = {"memory_bytes": (gpu.memory_stats() or {}).get("bytes_limit")}
    return {**said, "capability": str(getattr(gpu, "compute_capability", ""))}


def try_step(device: str) -> None:
    """A convolution forward and backward. Raises what the framework raises."""
    with keras.device(device_name(device)):
        images, kernel = jnp.ones((8, 28, 28, 1)), jnp.full((3, 3, 1, 4), 0.1)
        gradient = jax.grad(lambda kernel: jnp.mean(jnp.square(ops.conv(images, kernel))))(kernel)
    if not bool(jnp.isfinite(gradient).all()):
        raise ArithmeticError("a convolution's gradient is not finite")


def try_xla() -> str:
    """The step above was compiled by it."""
    return "compiles"
