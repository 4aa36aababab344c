"""What PyTorch can be asked about itself and its devices. Its twin is keras_look.py."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F


def facts() -> dict[str, Any]:
    """Of the build: versions of CUDA and cuDNN, and the architectures that it has kernels for."""
    return {
        "cuda": torch.version.cuda or "",
        "cudnn": str(torch.backends.cudnn.version() or ""),
        "kernels": torch.cuda.get_arch_list(),
    }


def details(device: str) -> dict[str, Any]:
    """Memory in bytes and compute capability of a GPU."""
    if not device.startswith("cuda"):
        return {}
    its = torch.cuda.get_device_properties(torch.device(device))
    return {"memory_bytes": its.total_memory, "capability": f"{its.major}.{its.minor}"}


def try_step(device: str) -> None:
    """A convolution forward and backward. Raises what the framework raises."""
    images = torch.ones(8, 1, 28, 28, device=device)
    kernel = torch.full((4, 1, 3, 3), 0.1, device=device, requires_grad=True)
    F.conv2d(images, kernel).square().mean().backward()
    if kernel.grad is None or not bool(torch.isfinite(kernel.grad).all().item()):
        raise ArithmeticError("a convolution's gradient is not finite")


def try_xla() -> str:
    """PyTorch has no XLA here."""
    return ""
