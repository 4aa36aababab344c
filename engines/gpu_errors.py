"""Recognize errors after which a process can't use its GPU any more, and advise what to do. Standard library only."""

from __future__ import annotations

import re

_RESTART = "Restart starts a new worker."

_ADVICE = (
    (r"failed call to cuInit|no CUDA-capable device", ""),  # there is no GPU, which TensorFlow only logs
    (
        r"no kernel image|NO_?BINARY_?FOR_?GPU|ARCH_MISMATCH|invalid device function|kernel image is invalid"
        r"|unsupported toolchain|UNSUPPORTED_PTX_VERSION",
        f"This build of the framework does not fit this GPU: run `mnist-tui doctor`, or train on the CPU. {_RESTART}",
    ),
    (
        r"\bECC error|ECC_UNCORRECTABLE|\bXid\b|fallen off the bus|GPU is lost|hardware (?:stack )?error|HARDWARE_STACK_ERROR"
        r"|CUDA error: unknown error|CUDA_ERROR_UNKNOWN|CUDA failure 999",
        "The GPU or its driver may be faulty: `nvidia-smi` and the system's log (Xid) say more. Choose another device, or "
        f"reset the GPU. {_RESTART}",
    ),
    (
        r"shared memory segment /dev/shm",
        "The replicas share too little memory: give the container more (docker run --shm-size=1g), or train on one device. "
        f"{_RESTART}",
    ),
    (
        r"\bCUDA error\b|\bHIP error\b|\bCUDA failure\b|\bNCCL error\b|\bnccl(?:UnhandledCuda|System|Internal)Error\b"
        r"|\bCUDA_ERROR_|\bcudaError[A-Z]|\bhipError[A-Z]|\b(?:CUBLAS|CUDNN|HIPBLAS|ROCBLAS|MIOPEN)_STATUS_|"
        r"illegal memory access|unspecified launch failure|device-side assert|Blas \w+ launch failed|GPU sync failed"
        r"|Unexpected Event status",
        f"The worker can't use the GPU after this error. {_RESTART} If it happens again, choose another device, or run "
        "`mnist-tui doctor`.",
    ),
)
"""(Pattern, advice) for messages of CUDA, cuBLAS, cuDNN, NCCL, HIP, TensorFlow and XLA; the first that matches holds.

Most of these errors last as long as the process, which "must be terminated and relaunched": CUDA Runtime API, `cudaError`. A few
do not, but a new process costs only its start.
"""


def gpu_error_advice(text: str) -> str:
    """Return what to do about an error that ended a process's use of its GPU; empty for any other error.

    Memory that ran out leaves the GPU usable, and may match too: ask `is_out_of_memory` first.
    """
    return next((advice for pattern, advice in _ADVICE if re.search(pattern, text, re.IGNORECASE)), "")
