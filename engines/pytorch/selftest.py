"""A self-test of PyTorch for the doctor: build, devices, one real step. The mirror file is engines/keras/selftest.py."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F


def build_info() -> dict[str, Any]:
    """Return the build's versions of CUDA and cuDNN, and the architectures that it has kernels for."""
    return {
        "cuda": torch.version.cuda or "",
        "cudnn": str(torch.backends.cudnn.version() or ""),
        "kernels": torch.cuda.get_arch_list(),
    }


def device_info(device: str) -> dict[str, Any]:
    """Return the memory in bytes and the compute capability of a GPU."""
    if not device.startswith("cuda"):
        return {}
    properties = torch.cuda.get_device_properties(torch.device(device))
    return {"memory_bytes": properties.total_memory, "capability": f"{properties.major}.{properties.minor}"}


def check_step(device: str) -> None:
    """Run a convolution forward and backward. Raises whatever the framework raises."""
    images = torch.ones(8, 1, 28, 28, device=device)
    kernel = torch.full((4, 1, 3, 3), 0.1, device=device, requires_grad=True)
    F.conv2d(images, kernel).square().mean().backward()
    if kernel.grad is None or not bool(torch.isfinite(kernel.grad).all().item()):
        raise ArithmeticError("a convolution's gradient is not finite")


def check_xla() -> str:
    """Return nothing: PyTorch has no XLA here."""
    return ""
