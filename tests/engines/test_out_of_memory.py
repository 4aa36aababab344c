"""Memory that ran out, in the words of the libraries, and errors that sound like it."""

from __future__ import annotations

import pytest

from engines.out_of_memory import device_memory_advice, is_out_of_memory


@pytest.mark.parametrize(
    "text",
    [
        # PyTorch
        "OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 31.75 GiB",
        "RuntimeError: CUDA error: out of memory",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "RuntimeError: cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "RuntimeError: HIP out of memory. Tried to allocate 2.00 GiB",
        "RuntimeError: MPS backend out of memory (MPS allocated: 8.83 GB, other allocations: 380.00 KB, max allowed: 9.07 GB).",
        "RuntimeError: [enforce fail at alloc_cpu.cpp:114] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to "
        "allocate 400000000 bytes. Error code 12 (Cannot allocate memory)",
        # NCCL
        "DistBackendError: NCCL error in: NCCLUtils.hpp:275, unhandled cuda error\nncclUnhandledCudaError: Call to CUDA function "
        "failed.\nLast error:\nCuda failure 2 'out of memory'",
        # TensorFlow
        "ResourceExhaustedError: {{function_node __wrapped__Fill}} OOM when allocating tensor with shape[1099511627776]",
        "Resource exhausted: Failed to allocate request for 32.00MiB (33554432B) on device ordinal 0",
        "InternalError: Failed copying input tensor from /job:localhost/replica:0/task:0/device:CPU:0 to "
        "/job:localhost/replica:0/task:0/device:GPU:0 in order to run Identity: Dst tensor is not initialized. [Op:Identity]",
        "InternalError: Failed to allocate device memory for 268435456 bytes",
        "NotFoundError: No algorithm worked!  Error messages:\n  Profiling failure on CUDNN engine 1: RESOURCE_EXHAUSTED: Out of "
        "memory while trying to allocate 16998992 bytes.",
        "NOT_FOUND: No algorithm worked!  Error messages:\n  Profiling failure on CUDNN engine 1: UNKNOWN: "
        "CUDNN_STATUS_EXECUTION_FAILED\n  Profiling failure on CUDNN engine 0: UNKNOWN: CUDNN_STATUS_ALLOC_FAILED",
        "NotFoundError: No algorithm worked! [Op:Conv2D]",
        # XLA
        "XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 4770354232 bytes.",
        "RESOURCE_EXHAUSTED: Failed to load in-memory CUBIN (compiled for a different GPU?).: CUDA_ERROR_OUT_OF_MEMORY",
        "failed to allocate 528.00M (553648128 bytes) from device: CUDA_ERROR_OUT_OF_MEMORY",
    ],
)  # fmt: skip
def test_memory_that_ran_out_is_recognized(text: str) -> None:
    assert is_out_of_memory(text)
    assert "smaller batch size" in device_memory_advice(text)


@pytest.mark.parametrize(
    "text",
    [
        "RuntimeError: CUDA error: an illegal memory access was encountered",
        "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered",
        "RuntimeError: CUDA error: too many resources requested for launch",
        "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES: too many resources requested for launch",
        "RuntimeError: cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous input.",
        "NotFoundError: No algorithm worked!  Error messages:\n  Profiling failure on CUDNN engine 1: UNKNOWN: "
        "CUDNN_STATUS_EXECUTION_FAILED",
        "ResourceExhaustedError: /tmp/xla_dump; No space left on device",
        "RESOURCE_EXHAUSTED: /proc/self/maps; Too many open files",
        "IndexError: index 640 is out of bounds for axis 0 with size 640",
        "",
    ],
)
def test_what_only_sounds_like_it_is_not_memory(text: str) -> None:
    assert not is_out_of_memory(text)


def test_no_algorithm_may_have_another_cause_than_memory() -> None:
    assert "mnist-tui doctor" in device_memory_advice("NotFoundError: No algorithm worked!")
    assert "doctor" not in device_memory_advice("RuntimeError: CUDA error: out of memory")
