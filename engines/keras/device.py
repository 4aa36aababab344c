"""TensorFlow itself and its devices: version, threads, precision, memory. The mirror file is engines/pytorch/device.py."""

from __future__ import annotations

import keras
import tensorflow as tf

from engines.config import MOST_CPU_REPLICAS
from engines.gpu_selection import driver_id
from engines.messages.events import Device

OUT_OF_MEMORY: tuple[type[Exception], ...] = (tf.errors.ResourceExhaustedError,)
"""Exceptions that TensorFlow raises when memory runs out, besides MemoryError."""
TF32_DEFAULT = "matrix products and convolutions" if tf.config.experimental.tensor_float_32_execution_enabled() else ""
"""The arithmetic that TensorFlow does in TF32 on CUDA by default."""


def framework() -> str:
    """Return the framework and its version as people write them."""
    return f"Keras {keras.version()} on TensorFlow {tf.__version__}"


def version() -> str:
    """Return the framework's full version."""
    return f"{keras.version()} (tensorflow {tf.__version__})"


def set_threads(threads: int) -> None:
    """Set the CPU threads of one operation."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def set_precision(precision: str) -> None:
    """Turn TF32 on Ampere and later GPUs on or off, and bf16 layers: TensorFlow has TF32 on by default."""
    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bf16" else "float32")


def devices() -> tuple[Device, ...]:
    """Return the CPU, then every GPU, or an unusable one with the reason why there is none."""
    cpu = Device(id="cpu", name="CPU")
    # Replicas on the CPU need logical devices, which can't be made once TensorFlow has started; all share the same threads.
    replicas = [tf.config.LogicalDeviceConfiguration()] * MOST_CPU_REPLICAS
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], replicas)
    if not tf.test.is_built_with_cuda():
        return cpu, Device(id="cuda:0", name="GPU", usable=False, reason="this TensorFlow is built without CUDA")
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        reason = "TensorFlow finds no usable GPU, driver or CUDA libraries"
        return cpu, Device(id="cuda:0", name="GPU", usable=False, reason=reason)
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)  # or the first worker takes all of the memory
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus]
    return cpu, *(Device(id=f"cuda:{i}", name=name, gpu=driver_id(i)) for i, name in enumerate(names))


def device_name(device: str) -> str:
    """Return TensorFlow's name of "cpu" or "cuda:N"."""
    kind, _, number = device.partition(":")
    return f"/GPU:{number}" if kind == "cuda" else "/CPU:0"


def memory_bytes(device: str) -> int | None:
    """Return what TensorFlow's allocator holds on a GPU; None for a CPU."""
    if "GPU" not in device:
        return None
    return int(tf.config.experimental.get_memory_info(device.strip("/"))["current"])
