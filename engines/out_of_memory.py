"""Recognize errors that say that memory ran out, and advise what to do. Standard library only."""

from __future__ import annotations

LESS_MEMORY = "Free memory, or use a smaller batch size or fewer digits. Restart starts a new worker."

_NO_MEMORY = (
    "bad_alloc",
    "cannot allocate memory",
    "can't allocate memory",
    "unable to allocate",
    "failed to allocate",
    "out of memory",
    "outofmemory",
    "memoryerror",
    "memoryallocation",
    "alloc_failed",
    "resource_exhausted",
    "oom when allocating",
    "memory allocation of",
)
"""Phrases of C++, libc, NumPy, PyTorch, CUDA, cuBLAS, TensorFlow, XLA, Rust and Python for memory that ran out."""


def is_out_of_memory(text: str) -> bool:
    """Return whether an error's text says that memory ran out."""
    lowered = text.lower()
    return any(phrase in lowered for phrase in _NO_MEMORY)
