"""JAX itself and its devices: version, threads, precision, memory. The mirror files are the other packages' device.py."""

from __future__ import annotations

import dataclasses
import os

import jax
import keras

from engines.errors import reason
from engines.gpu_selection import driver_id
from engines.messages.events import Device

OUT_OF_MEMORY: tuple[type[Exception], ...] = ()
"""No class of its own: JAX raises one error for everything that XLA reports, and only its text tells."""
TF32_DEFAULT = "matrix products and convolutions"
"""The arithmetic that XLA does in TF32 on CUDA by default: JAX's default matmul precision."""


def framework() -> str:
    """Return the framework and its version as people write them."""
    return f"Keras {keras.version()} on JAX {jax.__version__}"


def version() -> str:
    """Return the framework's full version."""
    return f"{keras.version()} (jax {jax.__version__})"


def set_threads(threads: int) -> None:
    """Set the CPU threads of one operation: XLA reads NPROC once, when JAX first looks for devices."""
    os.environ["NPROC"] = str(threads)


def set_precision(precision: str) -> None:
    """Turn TF32 on Ampere and later GPUs on or off, and bf16 layers: JAX has TF32 on by default."""
    jax.config.update("jax_default_matmul_precision", "tensorfloat32" if precision == "tf32" else "float32")
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bf16" else "float32")


def devices() -> tuple[Device, ...]:
    """Return the CPU, then every GPU, or an unusable one with the reason why there is none."""
    cpu = Device(id="cpu", name="CPU")
    try:
        gpus = jax.devices("gpu")
    except RuntimeError as error:
        why = "this JAX finds no GPU: it may be built without CUDA, or lack the driver"
        if "Unknown backend" not in str(error):  # there is one, but it or another one fails
            why = reason(error)
        return cpu, Device(id="cuda:0", name="GPU", usable=False, reason=why)
    return cpu, *(_gpu(index, gpu) for index, gpu in enumerate(gpus))


def _gpu(index: int, gpu: jax.Device) -> Device:
    """Return one GPU; an unusable one with its own reason if it can't hold a number, so that the others stay usable."""
    device = Device(id=f"cuda:{index}", name=gpu.device_kind, gpu=driver_id(index))
    try:
        jax.device_put(0, gpu).block_until_ready()
    except RuntimeError as error:
        return dataclasses.replace(device, usable=False, reason=reason(error))
    return device


def device_name(device: str) -> str:
    """Return Keras' name of "cpu" or "cuda:N"."""
    return device.replace("cuda", "gpu") if device.startswith("cuda") else "cpu:0"


def jax_device(name: str) -> jax.Device:
    """Return the device that Keras calls `name`."""
    kind, _, number = name.partition(":")
    return jax.devices(kind)[int(number)]


def memory_bytes(device: str) -> int | None:
    """Return the most bytes that JAX's allocator held at once on a GPU; None for a CPU.

    JAX can't reset its peak, so that it is the highest of all runs since the worker's start.
    """
    return (jax_device(device).memory_stats() or {}).get("peak_bytes_in_use") if "gpu" in device else None
