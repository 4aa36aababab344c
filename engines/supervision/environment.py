"""The environment of a worker process, and the one rule for the user's own variables in it.

A run's settings decide what it computes: they are shown, and stored with the run. Therefore a variable that would override the
arithmetic, the threads or the steps is not passed on (`OVERRULED`). One that chooses kernels or devices is passed on, because a
framework may need it on this machine, and is named in the log and by the doctor (`DECLARED`). All others, such as those of paths,
memory and logging, are passed on unchanged. Keras' own configuration file, keras.json, is overruled too.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from engines.config import is_gpu
from engines.data.sources import KERAS_FOLDER, keras_folder
from engines.gpu_selection import freest_gpus
from engines.messages.commands import UNTRAINED, Command, Predict, Start
from engines.supervision.registry import EngineSpec
from engines.user_path import APP_FOLDER, user_path

FOLDER = os.sep
"""The current folder of workers: the app's own may be deleted, and PyTorch can't be imported in a deleted folder."""

THREAD_LIMITS = ("OMP_THREAD_LIMIT", "KMP_DEVICE_THREAD_LIMIT", "KMP_ALL_THREADS")
"""The variables that limit the threads of OpenMP: GNU's and Intel's names."""

OVERRULED = (
    # Keras: epochs and steps of `fit`, the kind of its variables on JAX, its device on PyTorch
    "KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_NNX_ENABLED", "KERAS_TORCH_DEVICE",
    # precision, on a GPU and on a CPU
    "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE", "TF_SET_ONEDNN_FPMATH_MODE",
    # JAX: types, random numbers, and its reaction to a loss that is not a number
    "JAX_ENABLE_X64", "JAX_DEFAULT_DTYPE_BITS", "JAX_DEFAULT_MATMUL_PRECISION", "JAX_NUMPY_DTYPE_PROMOTION",
    "JAX_NUMPY_RANK_PROMOTION", "JAX_DEFAULT_PRNG_IMPL", "JAX_THREEFRY_PARTITIONABLE", "JAX_DEBUG_NANS", "JAX_DEBUG_INFS",
    # threads: when OpenMP starts fewer than requested, oneDNN waits for the others or computes wrong gradients
    *THREAD_LIMITS, "OMP_DYNAMIC", "OMP_MAX_ACTIVE_LEVELS", "OMP_NESTED", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
)  # fmt: skip

DECLARED = (
    "ATEN_CPU_CAPABILITY", "CUDA_LAUNCH_BLOCKING", "DNNL_MAX_CPU_ISA", "GOMP_CPU_AFFINITY", "JAX_DISABLE_JIT", "JAX_PLATFORMS",
    "KMP_AFFINITY", "MKL_CBWR", "OMP_PLACES", "OMP_PROC_BIND", "ONEDNN_MAX_CPU_ISA", "TF_CUDNN_DETERMINISTIC",
    "TF_DETERMINISTIC_OPS", "TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "XLA_FLAGS",
)  # fmt: skip

_APP_VARIABLES = ("PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONWARNINGS", "OPENBLAS_NUM_THREADS")
"""Variables that hold for the app's own process: the place of its library, fatal warnings, and the threads of numpy.

In a worker, warnings would end an import, and OpenBLAS uses OMP_NUM_THREADS."""

_SEARCH_PATHS = ("PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Lists of folders, in which an empty entry means the current folder."""


def environment_notes(environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """Yield a sentence for the user about each kind of variable that is set and concerns what the engines compute."""
    if overruled := [name for name in OVERRULED if environment.get(name) and name not in THREAD_LIMITS]:
        yield f"Not passed on, because the run's settings decide instead: {', '.join(overruled)}."
    if declared := [f"{name}={environment[name]}" for name in DECLARED if environment.get(name)]:
        yield f"Set in the environment, which may change speed or rounding: {', '.join(declared)}."


def allowed_threads(requested: int, environment: Mapping[str, str] = os.environ) -> int:
    """Return the number of threads: as requested, but never more than OpenMP may start."""
    limits = [environment.get(name, "").strip() for name in THREAD_LIMITS]
    return min([requested, *(int(limit) for limit in limits if limit.isdecimal() and len(limit) < 10 and int(limit))])


def neutral_environment(spec: EngineSpec, threads: int, cache_dir: Path) -> dict[str, str]:
    """Return the app's own variables by the rule above, for a process that computes and starts in `FOLDER`."""
    environment = {name: value for name, value in os.environ.items() if name not in {*OVERRULED, *_APP_VARIABLES}}
    for name in _SEARCH_PATHS:
        if name in environment:
            folders = [str(user_path(folder)) for folder in environment[name].split(os.pathsep) if folder]
            environment[name] = os.pathsep.join(folders)
    return environment | {
        "MNIST_TUI_CACHE_DIR": str(user_path(cache_dir)),
        APP_FOLDER: str(user_path("")),
        KERAS_FOLDER: str(keras_folder()),
        "KERAS_HOME": os.devnull,  # Keras finds no settings there and can write none
        "KERAS_BACKEND": spec.backend,
        "OMP_NUM_THREADS": str(allowed_threads(threads)),  # OpenMP's own choice where cores can be assigned
    }


ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "1073741824"}
"""Keep freed activations: glibc otherwise returns them to the kernel and faults them in again at every step."""


def visible_gpus(device: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the CUDA_VISIBLE_DEVICES of a worker that never uses another device than `device`; None for the user's own.

    Hides the GPUs after the last one that `device` names. Those before it stay visible, so that cuda:N means the same GPU. What
    "auto" and "all" mean is decided in the worker, which needs all GPUs for that.
    """
    names = device.split(",")
    if not all(name == "cpu" or is_gpu(name) for name in names):
        return None
    count = max(int(name.removeprefix("cuda:")) + 1 if is_gpu(name) else 0 for name in names)
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    gpus = map(str, range(count)) if visible is None else visible.split(",")[:count]
    return ",".join(gpus)


def worker_environment(
    spec: EngineSpec, threads: int, cache_dir: Path, scratch: str, only_device: str = ""
) -> dict[str, str]:
    """Return the environment of a worker; `scratch` is a folder that is removed after its end.

    `only_device` is the one device that the worker will ever use, if that is known.
    """
    environment = neutral_environment(spec, threads, cache_dir)
    visible = visible_gpus(only_device, environment)
    if visible is not None and (spec.name, spec.backend) == ("keras", "tensorflow"):
        environment["CUDA_VISIBLE_DEVICES"] = visible  # TensorFlow takes some 500 MB of every GPU that it sees
    environment.update(
        MNIST_TUI_SCRATCH=scratch,
        TMPDIR=scratch,  # TensorFlow writes generated code there, and leaves it behind when it is killed
        PYTHONUNBUFFERED="1",
        PYTHONFAULTHANDLER="1",
        TF_CPP_MIN_LOG_LEVEL=environment.get("TF_CPP_MIN_LOG_LEVEL", "2"),
        TF_FORCE_GPU_ALLOW_GROWTH="true",
        MNIST_TUI_GPUS=freest_gpus(),
        CUDA_DEVICE_ORDER="PCI_BUS_ID",  # so that cuda:0 is GPU 0 in the usage pane too
        XLA_PYTHON_CLIENT_PREALLOCATE="false",  # or JAX allocates most of a GPU that the other engine uses too
        **ALLOCATOR,
    )
    return environment


def with_absolute_paths(command: Command) -> Command:
    """Return the command with absolute paths: a worker's current folder is not the app's."""
    if isinstance(command, Start):
        return dataclasses.replace(command, run_dir=_absolute(command.run_dir), resume=_absolute(command.resume))
    if isinstance(command, Predict) and command.checkpoint != UNTRAINED:
        return dataclasses.replace(command, checkpoint=_absolute(command.checkpoint))
    return command


def _absolute(path: str) -> str:
    return str(user_path(path)) if path else ""
