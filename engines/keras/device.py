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
    found = [gpu_device(i, gpu) for i, gpu in enumerate(gpus)]
    if not all(
        gpu.usable for gpu in found
    ):  # TensorFlow starts every GPU that it sees, and fails when one of them does
        usable = [gpu for gpu, device in zip(gpus, found, strict=True) if device.usable]
        tf.config.set_visible_devices(usable, "GPU")
    return cpu, *found


def gpu_device(ordinal: int, gpu: tf.config.PhysicalDevice) -> Device:
    """Return cuda:`ordinal`, unusable with its own reason if TensorFlow can't set it up."""
    try:
        tf.config.experimental.set_memory_growth(gpu, True)  # or the first worker takes all of the memory
        name = tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
    except Exception as error:  # whatever TensorFlow or the driver raises, it is about this GPU alone
        reason = f"{type(error).__name__}: {str(error).strip()[:300]}"
        return Device(id=f"cuda:{ordinal}", name="GPU", usable=False, reason=reason, gpu=driver_id(ordinal))
    return Device(id=f"cuda:{ordinal}", name=name, gpu=driver_id(ordinal))


def device_name(device: str) -> str:
    """Return TensorFlow's name of "cpu" or "cuda:N": it numbers the GPUs without those that can't be used."""
    kind, _, number = device.partition(":")
    if kind != "cuda":
        return "/CPU:0"
    visible = [gpu.name.rpartition(":")[2] for gpu in tf.config.get_visible_devices("GPU")]
    return f"/GPU:{visible.index(number) if number in visible else number}"


def reset_peak_memory(device: str) -> None:
    """Start measuring the peak of a GPU's memory from what is allocated on it at present."""
    if "GPU" in device:
        tf.config.experimental.reset_memory_stats(device.strip("/"))


def memory_bytes(device: str) -> int | None:
    """Return the peak of what TensorFlow has allocated on a GPU since `reset_peak_memory`; None for a CPU."""
    if "GPU" not in device:
        return None
    return int(tf.config.experimental.get_memory_info(device.strip("/"))["peak"])
