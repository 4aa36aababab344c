"""The line that says why a process died, in real output of libraries and in one real abort."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engines.config import TrainConfig
from engines.messages.events import RunFailed
from engines.out_of_memory import is_out_of_memory
from engines.supervision.fatal_message import fatal_message
from tests.support.engines import Worked

FAULTHANDLER = """Fatal Python error: Aborted

Thread 0x00007fcd295fe6c0 (most recent call first):
  File "/usr/lib/python3.11/threading.py", line 982 in run
  File "/usr/lib/python3.11/threading.py", line 1002 in _bootstrap

Current thread 0x00007fcd31aa8b80 (most recent call first):
  File "/srv/engine.py", line 3 in train_steps

Extension modules: numpy._core._multiarray_umath, numpy.linalg._umath_linalg (total: 2)
"""
TENSORFLOW = """WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1796032612.575362   11085 cudart_stub.cc:31] Could not find cuda drivers on your machine, GPU will not be used.
F0000 00:00:1796032614.199245   11085 tensor_shape.cc:204] Check failed: InitDims(dim_sizes) is OK (INVALID_ARGUMENT)
*** Check failure stack trace: ***
    @     0x7f98a251d314  absl::lts_20250814::log_internal::LogMessage::SendToLog()
    @     0x7f98a2145ff1  tensorflow::TensorShapeBase<>::TensorShapeBase()
    @     0x7ffe5860db00  (unknown)
"""
C10 = """terminate called after throwing an instance of 'c10::Error'
  what():  CUDA error: an illegal memory access was encountered
CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.
For debugging consider passing CUDA_LAUNCH_BLOCKING=1
Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.

Exception raised from c10_cuda_check_implementation at /pytorch/c10/cuda/CUDAException.cpp:43 (most recent call first):
frame #0: c10::Error::Error(c10::SourceLocation, std::string) + 0x96 (0x7f0a in libc10.so)
frame #1: <unknown function> + 0x1040 (0x7f0b in libtorch_cuda.so)
"""
NCCL = """[rank0]:[E101 ProcessGroupNCCL.cpp:1982] [PG ID 0 Rank 0] Process group watchdog thread terminated
terminate called after throwing an instance of 'c10::DistBackendError'
  what():  [PG ID 0 Rank 0] NCCL error: unhandled system error, NCCL version 2.26.2
frame #0: c10::Error::Error(c10::SourceLocation, std::string) + 0x96 (0x7f0a in libc10.so)
"""
CASES = {
    "bad_alloc": (
        "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
        "std::bad_alloc",
    ),
    "runtime_error": (
        "terminate called after throwing an instance of 'std::runtime_error'\n  what():  no luck\nsecond line\n",
        "std::runtime_error: no luck",
    ),
    "thrown int": (
        "terminate called after throwing an instance of 'int'\n",
        "terminate called after throwing an instance of 'int'",
    ),
    "no exception": ("terminate called without an active exception\n", "terminate called without an active exception"),
    "libc++": (
        "libc++abi: terminating due to uncaught exception of type std::bad_alloc: std::bad_alloc\n",
        "libc++abi: terminating due to uncaught exception of type std::bad_alloc: std::bad_alloc",
    ),
    "c10": (C10, "c10::Error: CUDA error: an illegal memory access was encountered"),
    "NCCL": (
        NCCL,
        "c10::DistBackendError: [PG ID 0 Rank 0] NCCL error: unhandled system error, NCCL version 2.26.2",
    ),
    "absl": (TENSORFLOW, TENSORFLOW.splitlines()[2]),
    "TensorFlow": (
        "2024-05-01 10:00:00.123456: F external/local_xla/xla/stream_executor/gpu.cc:1] Non-OK-status: INTERNAL\n",
        "2024-05-01 10:00:00.123456: F external/local_xla/xla/stream_executor/gpu.cc:1] Non-OK-status: INTERNAL",
    ),
    "glog": (
        "F20240501 10:00:00.123456 12345 file.cc:12] Check failed: x == y (1 vs. 2)\n*** Check failure stack trace: ***\n"
        "    @     0x7f98a251d314  google::LogMessage::Fail()\n*** SIGABRT received at time=1700000000 on cpu 3 ***\n"
        "PC: @     0x7f98a251d314  (unknown)  raise\n",
        "F20240501 10:00:00.123456 12345 file.cc:12] Check failed: x == y (1 vs. 2)",
    ),
    "another log": (
        "[12:00:00] /src/tensor.cc:12: Check failed: n > 0 (0 vs. 1)\nStack trace:\n  [bt] (0) libtensor.so(+0x1f2) [0x7f98]\n",
        "[12:00:00] /src/tensor.cc:12: Check failed: n > 0 (0 vs. 1)",
    ),
    "free": ("free(): invalid pointer\n", "free(): invalid pointer"),
    "double free": ("free(): double free detected in tcache 2\n", "free(): double free detected in tcache 2"),
    "heap": ("malloc(): corrupted top size\n", "malloc(): corrupted top size"),
    "list": ("corrupted double-linked list\n", "corrupted double-linked list"),
    "stack": ("*** stack smashing detected ***: terminated\n", "*** stack smashing detected ***: terminated"),
    "assert": (
        "python: a.cc:15: int main(): Assertion `c==77' failed.\n",
        "python: a.cc:15: int main(): Assertion `c==77' failed.",
    ),
    "MKL": (
        "Intel MKL FATAL ERROR: Cannot load libmkl_avx2.so or libmkl_def.so.\n",
        "Intel MKL FATAL ERROR: Cannot load libmkl_avx2.so or libmkl_def.so.",
    ),
    "OpenMP": (
        "OMP: Error #15: Initializing libiomp5.so, but found libomp.so already initialized.\nOMP: Hint This means that ...\n",
        "OMP: Error #15: Initializing libiomp5.so, but found libomp.so already initialized.",
    ),
    "LLVM": (
        "LLVM ERROR: inconsistency in registered CommandLine options\nPLEASE submit a bug report to https://llvm.org\n"
        "Stack dump:\n0.\tProgram arguments: python\n #0 0x00007f98a251d314 llvm::sys::PrintStackTrace\n",
        "LLVM ERROR: inconsistency in registered CommandLine options",
    ),
    "Rust": (
        "thread 'main' panicked at src/main.rs:2:5:\nindex out of bounds\nnote: run with `RUST_BACKTRACE=1`\n",
        "thread 'main' panicked at src/main.rs:2:5: index out of bounds",
    ),
    "Python": (
        "Fatal Python error: PyEval_SaveThread: the GIL is released\nPython runtime state: initialized\n",
        "Fatal Python error: PyEval_SaveThread: the GIL is released",
    ),
}


@pytest.mark.parametrize("end", ["", FAULTHANDLER], ids=["alone", "with faulthandler"])
@pytest.mark.parametrize("case", CASES)
def test_the_message_is_quoted_and_no_stack_frame(case: str, end: str) -> None:
    printed, message = CASES[case]
    assert fatal_message(["epoch 3 is done", *printed.splitlines(), *end.splitlines()]) == message


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        (FAULTHANDLER, "Fatal Python error: Aborted"),
        (f"a library's own complaint\n{FAULTHANDLER}", "a library's own complaint"),
        (f"{TENSORFLOW.splitlines()[0]}\n{TENSORFLOW.splitlines()[1]}\n", ""),
        ("RuntimeError: no kernel image\nCompile with `TORCH_USE_CUDA_DSA` to ...", "RuntimeError: no kernel image"),
        ("CUDA error: misaligned address\nSearch for `cudaErrorMisalignedAddress' in https://docs.nvidia.com/cuda/ for more ...\n"
         "CUDA kernel errors might be asynchronously reported ...", "CUDA error: misaligned address"),
        ("", ""),
    ],
)  # fmt: skip
def test_without_a_fatal_message_the_last_meaningful_line_is_quoted(printed: str, message: str) -> None:
    assert fatal_message(printed.splitlines()) == message


@pytest.mark.parametrize(
    "line",
    [
        "W0000 00:00:1796032555.958762 10173 op_kernel.cc:1858] RESOURCE_EXHAUSTED: OOM when allocating tensor",
        "E0000 00:00:1796032555.958762 10173 gpu.cc:18] failed to allocate 1.2GiB from device: CUDA_ERROR_OUT_OF_MEMORY",
        "memory allocation of 4503599627370496 bytes failed",
        "cublasCreate failed with error CUBLAS_STATUS_ALLOC_FAILED",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 16. GiB for an array",
        "ResourceExhaustedError: {{function_node __wrapped__Fill}} OOM when allocating tensor with shape[1099511627776]",
    ],
)
def test_out_of_memory_is_preferred_to_the_crash_that_follows(line: str) -> None:
    message = fatal_message([line, *TENSORFLOW.splitlines(), *FAULTHANDLER.splitlines()])
    assert message == line
    assert is_out_of_memory(message)


def test_an_allocation_that_is_tried_again_is_not_quoted() -> None:
    line = "W0000 00:00:1.1 1 bfc.cc:1] Allocator (GPU_0_bfc) ran out of memory. The caller indicates that this is not a failure"
    assert fatal_message([line, *TENSORFLOW.splitlines()]) == TENSORFLOW.splitlines()[2]


@pytest.mark.fault(
    "workers", "C++ aborts with memory gone, and prints a stack of every thread: what() is quoted, and recognised"
)
@pytest.mark.parametrize("place", ["4", "import"])
def test_a_worker_that_a_c_plus_plus_exception_ends_is_reported(
    place: str, work: Callable[[], Worked], small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MNIST_TUI_SCRIPT", f"terminate@{place}")
    worker = work()
    worker.start(small_config)
    failed = worker.wait_for(RunFailed)
    assert failed.kind == "out-of-memory"
    assert failed.message.endswith("Its last words: std::bad_alloc")
