"""PyTorch itself and its devices: version, threads, precision, memory. The mirror file is engines/keras/device.py."""

from __future__ import annotations

from typing import Any

import torch

from engines.errors import reason
from engines.gpu_selection import driver_id
from engines.messages.events import Device

OUT_OF_MEMORY: tuple[type[Exception], ...] = (torch.OutOfMemoryError,)
"""Exceptions that PyTorch raises when memory runs out, besides MemoryError."""

TF32_SWITCHES: dict[str, Any] = {
    "matrix products": torch.backends.cuda.matmul,
    "convolutions": getattr(torch.backends.cudnn, "conv", torch.backends.cudnn),
}
"""The objects that turn TF32 on: by `fp32_precision` from PyTorch 2.9 on, before that by `allow_tf32`.

PyTorch raises RuntimeError when both are used: its documentation, "CUDA semantics", "TensorFloat-32".
"""


def uses_tf32(switch: Any) -> bool:
    """Return whether one of the TF32_SWITCHES is on."""
    return bool(switch.fp32_precision == "tf32" if hasattr(switch, "fp32_precision") else switch.allow_tf32)


TF32_DEFAULT = " and ".join(name for name, switch in TF32_SWITCHES.items() if uses_tf32(switch))
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
    for switch in TF32_SWITCHES.values():
        if hasattr(switch, "fp32_precision"):
            switch.fp32_precision = "tf32" if precision == "tf32" else "ieee"
        else:
            switch.allow_tf32 = precision == "tf32"


def devices() -> tuple[Device, ...]:
    """Return the CPU, then every GPU, or an unusable one with the reason why there is none."""
    cpu = Device(id="cpu", name="CPU")
    if torch.backends.mps.is_available():
        return cpu, Device(id="mps", name="Apple GPU")
    if torch.version.cuda is None and torch.version.hip is None:  # ROCm's GPUs are cuda:N too
        return cpu, Device(id="cuda:0", name="GPU", usable=False, reason="this PyTorch is built without CUDA")
    if not torch.cuda.is_available():
        return cpu, Device(id="cuda:0", name="GPU", usable=False, reason="PyTorch finds no usable driver or GPU")
    return cpu, *(_gpu(i) for i in range(torch.cuda.device_count()))


def _gpu(index: int) -> Device:
    """Return one GPU; an unusable one with its own reason if asking for its name fails, so that the others stay usable."""
    try:
        name = torch.cuda.get_device_name(index)
    except (RuntimeError, AssertionError) as error:
        return Device(id=f"cuda:{index}", name="GPU", usable=False, reason=reason(error), gpu=driver_id(index))
    return Device(id=f"cuda:{index}", name=name, gpu=driver_id(index))


def activate(device: torch.device) -> None:
    """Make a GPU the current one, and measure its peak of memory from this moment; a CPU needs neither."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
        torch.cuda.reset_peak_memory_stats(device)


def memory_bytes(device: torch.device) -> int | None:
    """Return the most bytes that tensors held at once on a GPU since `activate`; None for a CPU.

    A captured graph's own pool counts: its tensors were allocated while it was captured.
    """
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None
