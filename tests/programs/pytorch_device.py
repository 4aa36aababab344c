"""Ask PyTorch's devices and TF32 switches, with a fake driver of three GPUs, and print the answers as JSON."""

# ruff: noqa: TID253
from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import torch

torch.backends.cuda.matmul.fp32_precision = "tf32"  # PyTorch then raises where allow_tf32 is read

from engines.pytorch import device  # noqa: E402


class FakeOldSwitch:
    """A TF32 switch of PyTorch before 2.9."""

    allow_tf32 = True


def fake_name(index: int) -> str:
    """Return a GPU's name; the second GPU is broken."""
    if index == 1:
        raise RuntimeError(
            "CUDA error: uncorrectable ECC error encountered\nCUDA kernel errors might be reported later."
        )
    return f"GPU {index}"


def tf32() -> Any:
    """Return what each precision sets, on this PyTorch and on an older one."""
    old = FakeOldSwitch()
    device.TF32_SWITCHES["an older PyTorch"] = old
    results: dict[str, Any] = {"default": device.TF32_DEFAULT, "old": device.uses_tf32(old)}
    for precision in ("tf32", "fp32", "bf16"):
        device.set_precision(precision)
        new = [torch.backends.cuda.matmul.fp32_precision, torch.backends.cudnn.conv.fp32_precision]  # type: ignore[attr-defined]
        results[precision] = [*new, old.allow_tf32, hasattr(old, "fp32_precision")]
    return results


def main() -> int:
    """Print all answers; return the exit code."""
    torch.version.cuda = "13.0"
    calls: list[str] = []
    fakes: dict[str, Callable[..., Any]] = {
        "is_available": lambda: True,
        "device_count": lambda: 3,
        "get_device_name": fake_name,
        "set_device": lambda device: calls.append(f"set_device {device}"),
        "reset_peak_memory_stats": lambda device: calls.append(f"reset_peak_memory_stats {device}"),
        "max_memory_allocated": lambda device: 123,
        "memory_reserved": lambda device: 456,
    }
    for name, fake in fakes.items():
        setattr(torch.cuda, name, fake)
    for name in ("cpu", "cuda:1"):
        device.activate(torch.device(name))
    print(json.dumps({
        "tf32": tf32(),
        "devices": [[gpu.id, gpu.name, gpu.usable, gpu.reason] for gpu in device.devices()],
        "activate": calls,
        "memory": [device.memory_bytes(torch.device(name)) for name in ("cpu", "cuda:1")],
    }))  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
