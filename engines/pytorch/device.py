"""PyTorch itself and its devices: version, threads, precision, memory. The mirror file is engines/keras/device.py."""

from __future__ import annotations

import torch

from engines.gpu_selection import driver_id
from engines.messages.events import Device

OUT_OF_MEMORY: tuple[type[Exception], ...] = (torch.OutOfMemoryError,)
"""Exceptions that PyTorch raises when memory runs out, besides MemoryError."""
TF32_DEFAULT = " and ".join(
    name
    for name, allowed in (
        ("matrix products", torch.backends.cuda.matmul.allow_tf32),
        ("convolutions", torch.backends.cudnn.allow_tf32),
    )
    if allowed
)
"""The arithmetic that PyTorch does in TF32 on CUDA by default."""


def framework() -> str:
    """Return the framework and its version as people write them."""
    return f"PyTorch {torch.__version__.partition('+')[0]}"


def version() -> str:
    """Return the framework's full version."""
    return str(torch.__version__)


def set_threads(threads: int) -> None:
    """Set the CPU threads of one operation, and have them treat numbers below 1e-38 as zero, as TensorFlow's do.

    Adadelta's averages of dead units sink there after some 1,500 steps, and its step would take five times as long.
    """
    torch.set_flush_denormal(True)  # before the threads start, which inherit it
    torch.set_num_threads(threads)


def set_precision(precision: str) -> None:
    """Turn TF32 on Ampere and later GPUs on or off: PyTorch has it on for convolutions by default."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = precision == "tf32"


def devices() -> tuple[Device, ...]:
    """Return the CPU, then every GPU, or an unusable one with the reason why there is none."""
    cpu = Device(id="cpu", name="CPU")
    if torch.backends.mps.is_available():
        return cpu, Device(id="mps", name="Apple GPU")
    if torch.version.cuda is None and torch.version.hip is None:  # ROCm's GPUs are cuda:N too
        return cpu, Device(id="cuda:0", name="GPU", usable=False, reason="this PyTorch is built without CUDA")
    if not torch.cuda.is_available():
        return cpu, Device(id="cuda:0", name="GPU", usable=False, reason="PyTorch finds no usable driver or GPU")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return cpu, *(Device(id=f"cuda:{i}", name=name, gpu=driver_id(i)) for i, name in enumerate(names))


def memory_bytes(device: torch.device) -> int | None:
    """Return what PyTorch's allocator holds on a GPU; None for a CPU."""
    return torch.cuda.memory_reserved(device) if device.type == "cuda" else None
