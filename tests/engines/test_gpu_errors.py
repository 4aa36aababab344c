"""Errors of GPUs in the words of the libraries: which ones end a process's use of its GPU, and what the user is told."""

from __future__ import annotations

import pytest

from engines.gpu_errors import gpu_error_advice
from engines.out_of_memory import is_out_of_memory


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        # PyTorch
        ("AcceleratorError: CUDA error: an illegal memory access was encountered", "new worker"),
        ("RuntimeError: CUDA error: unspecified launch failure", "new worker"),
        ("RuntimeError: CUDA error: device-side assert triggered", "new worker"),
        ("RuntimeError: CUDA error: misaligned address", "new worker"),
        ("RuntimeError: CUDA error: no kernel image is available for execution on the device", "does not fit this GPU"),
        ("RuntimeError: CUDA error: the provided PTX was compiled with an unsupported toolchain.", "does not fit this GPU"),
        ("RuntimeError: CUDA error: uncorrectable ECC error encountered", "may be faulty"),
        ("RuntimeError: CUDA error: unknown error", "may be faulty"),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm( handle, opa, opb)`", "new worker"),
        ("RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`", "new worker"),
        ("RuntimeError: cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "new worker"),
        ("RuntimeError: HIP error: an illegal memory access was encountered", "new worker"),
        # NCCL
        ("DistBackendError: NCCL error in: NCCLUtils.hpp:275, unhandled cuda error (run with NCCL_DEBUG=INFO for details), NCCL "
         "version 2.20.5\nncclUnhandledCudaError: Call to CUDA function failed.\nLast error:\nCuda failure 1 'invalid argument'",
         "new worker"),
        ("ncclUnhandledCudaError: Call to CUDA function failed. Last error: Cuda failure 999 'unknown error'", "may be faulty"),
        ("ncclSystemError: System call failed. Last error: Error while creating shared memory segment /dev/shm/nccl-2WTKFu (size "
         "33030528), error: No space left on device (28)", "--shm-size"),
        # TensorFlow and XLA
        ("InternalError: Failed to complete all kernels launched on stream 0x1f50d730: could not synchronize on CUDA stream: "
         "CUDA_ERROR_ILLEGAL_ADDRESS: an illegal memory access was encountered", "new worker"),
        ("failed to query event: CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure", "new worker"),
        ("F tensorflow/core/common_runtime/gpu/gpu_event_mgr.cc:274] Unexpected Event status: 1", "new worker"),
        ("InternalError: GPU sync failed", "new worker"),
        ("InternalError: Blas xGEMMBatched launch failed : a.shape=[1,128,9216], b.shape=[1,9216,128]", "new worker"),
        ("INTERNAL: Failed to load in-memory CUBIN (compiled for a different GPU?).: CUDA_ERROR_NO_BINARY_FOR_GPU: no kernel image "
         "is available for execution on the device", "does not fit this GPU"),
        ("NotFoundError: No algorithm worked!  Error messages:\n  Profiling failure on CUDNN engine 1: UNKNOWN: "
         "CUDNN_STATUS_EXECUTION_FAILED", "new worker"),
    ],
)  # fmt: skip
def test_a_gpu_that_the_process_lost_is_recognized(text: str, advice: str) -> None:
    assert advice in gpu_error_advice(text)
    assert "Restart starts a new worker." in gpu_error_advice(text)
    assert not is_out_of_memory(text)


@pytest.mark.parametrize(
    "text",
    [
        "RuntimeError: the script says so",
        "AssertionError: Torch not compiled with CUDA enabled",
        "RuntimeError: Found no NVIDIA driver on your system.",
        "E0000 cuda_platform.cc:51] failed call to cuInit: INTERNAL: CUDA error: Failed call to cuInit: CUDA_ERROR_NO_DEVICE",
        "I0000 cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be used.",
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (128x9216 and 128x10)",
        "ValueError: unknown error handler name 'surrogate'",
        "The worker was ended by SIGILL. Its last words: Illegal instruction (core dumped)",
        "",
    ],
)
def test_other_errors_leave_the_worker_alone(text: str) -> None:
    assert gpu_error_advice(text) == ""
