"""Recognize errors that say that memory ran out, and advise what to do. Standard library only."""

from __future__ import annotations

from engines.gpu_errors import gpu_error_advice

LESS_MEMORY = "Free memory, or use a smaller batch size or fewer digits. Restart starts a new worker."

_NO_MEMORY = (
    "bad_alloc",
    "cannot allocate memory",
    "can't allocate memory",
    "unable to allocate",
    "failed to allocate",
    "out of memory",
    "out_of_memory",
    "outofmemory",
    "memoryerror",
    "memoryallocation",
    "alloc_failed",
    "resource_exhausted",
    "resource exhausted",
    "oom when allocating",
    "dst tensor is not initialized",
    "memory allocation of",
)
"""Phrases of C++, libc, NumPy, PyTorch, CUDA, cuBLAS, cuDNN, TensorFlow, XLA, Rust and Python for memory that ran out.

TensorFlow's "Dst tensor is not initialized" is a copy to the GPU that got no memory there.
"""
_NO_ALGORITHM = "no algorithm worked"
"""TensorFlow's phrase for a convolution whose every algorithm failed: for lack of memory, unless it names another error."""
_OTHER_RESOURCES = ("no space left on device", "disk quota exceeded", "too many open files")
"""Resources for which TensorFlow and NCCL use the same words as for memory."""


def is_out_of_memory(text: str) -> bool:
    """Return whether an error's text says that memory ran out."""
    lowered = text.lower()
    if any(phrase in lowered for phrase in _OTHER_RESOURCES):
        return False
    return any(phrase in lowered for phrase in _NO_MEMORY) or (_NO_ALGORITHM in lowered and not gpu_error_advice(text))


def device_memory_advice(text: str) -> str:
    """Return what to do about an error that says that a device's memory ran out."""
    advice = "Use a smaller batch size, or free memory on the device."
    if _NO_ALGORITHM in text.lower():
        return f"{advice} If enough was free, cuDNN does not fit the driver or the GPU: run `mnist-tui doctor`."
    return advice
