"""The PyTorch beneath Keras and its devices: what PyTorch alone has, and both versions and precisions."""

from __future__ import annotations

import keras
import torch

from engines.pytorch import device as pytorch
from engines.pytorch.device import OUT_OF_MEMORY, TF32_DEFAULT, devices, set_threads

__all__ = [
    "OUT_OF_MEMORY",
    "TF32_DEFAULT",
    "activate",
    "devices",
    "framework",
    "memory_bytes",
    "set_precision",
    "set_threads",
    "version",
]


def framework() -> str:
    """Return the framework and its version as people write them."""
    return f"Keras {keras.version()} on {pytorch.framework()}"


def version() -> str:
    """Return the framework's full version."""
    return f"{keras.version()} (torch {torch.__version__})"


def set_precision(precision: str) -> None:
    """Turn TF32 on Ampere and later GPUs on or off, and bf16 layers: PyTorch has TF32 on for convolutions by default."""
    pytorch.set_precision(precision)
    keras.config.set_dtype_policy("mixed_bfloat16" if precision == "bf16" else "float32")


def activate(device: str) -> None:
    """Make a GPU PyTorch's current one, and measure its peak of memory from this moment; a CPU needs neither."""
    pytorch.activate(torch.device(device))


def memory_bytes(device: str) -> int | None:
    """Return the most bytes that tensors held at once on a GPU since `activate`; None for a CPU."""
    return pytorch.memory_bytes(torch.device(device))
