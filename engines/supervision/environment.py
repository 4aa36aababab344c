"""The environment of a worker process, and the one rule for the user's own variables in it.

A run's settings decide what it computes: they are shown, and kept with the run. Therefore a variable that would decide the
arithmetic, the threads or the steps in their place is not passed on (`OVERRULED`). One that chooses kernels or devices is passed
on, because a framework may need it on this machine, and is named in the log and by the doctor (`DECLARED`). All others, such as
those of paths, memory and logging, are passed on as they are. Keras' own file of settings, keras.json, is overruled too.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from engines.data.sources import KERAS_FOLDER, keras_folder
from engines.gpu_selection import gpus_by_free_memory
from engines.messages.commands import Command, Predict, Start
from engines.supervision.registry import EngineSpec, absolute
from engines.user_path import APP_FOLDER

FOLDER = os.sep
"""Where workers begin: the app's own folder may be deleted, and PyTorch can't be imported in one that is gone."""

THREAD_LIMITS = ("OMP_THREAD_LIMIT", "KMP_DEVICE_THREAD_LIMIT", "KMP_ALL_THREADS")
"""How many threads OpenMP may start: GNU's and Intel's names."""

OVERRULED = (
    # Keras: epochs and steps of `fit`, the kind of its variables on JAX, its device on PyTorch
    "KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_NNX_ENABLED", "KERAS_TORCH_DEVICE",
    # precision, on a GPU and on a CPU
    "NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "ONEDNN_DEFAULT_FPMATH_MODE", "DNNL_DEFAULT_FPMATH_MODE", "TF_SET_ONEDNN_FPMATH_MODE",
    # JAX: types, random numbers, and what it does about a loss that is no number
    "JAX_ENABLE_X64", "JAX_DEFAULT_DTYPE_BITS", "JAX_DEFAULT_MATMUL_PRECISION", "JAX_NUMPY_DTYPE_PROMOTION",
    "JAX_NUMPY_RANK_PROMOTION", "JAX_DEFAULT_PRNG_IMPL", "JAX_THREEFRY_PARTITIONABLE", "JAX_DEBUG_NANS", "JAX_DEBUG_INFS",
    # threads: where OpenMP starts fewer than were asked for, oneDNN waits for the others or computes wrong gradients
    *THREAD_LIMITS, "OMP_DYNAMIC", "OMP_MAX_ACTIVE_LEVELS", "OMP_NESTED", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS",
)  # fmt: skip

DECLARED = (
    "ATEN_CPU_CAPABILITY", "CUDA_LAUNCH_BLOCKING", "DNNL_MAX_CPU_ISA", "JAX_DISABLE_JIT", "JAX_PLATFORMS", "MKL_CBWR",
    "ONEDNN_MAX_CPU_ISA", "TF_CUDNN_DETERMINISTIC", "TF_DETERMINISTIC_OPS", "TF_ENABLE_ONEDNN_OPTS", "TF_XLA_FLAGS", "XLA_FLAGS",
)  # fmt: skip

_OF_THE_INTERPRETER = ("PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONWARNINGS")
"""Where the app's interpreter has its library, which may not be the worker's; and warnings that would end an import."""

_SEARCHED = ("PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Lists of folders, in which an empty entry is the current one."""


def remarks(environment: Mapping[str, str] = os.environ) -> Iterator[str]:
    """A sentence for people about each kind of variable that is set and has to do with what the engines compute."""
    if overruled := [name for name in OVERRULED if environment.get(name) and name not in THREAD_LIMITS]:
        yield f"Not passed on, for the run's settings decide instead: {', '.join(overruled)}."
    if declared := [f"{name}={environment[name]}" for name in DECLARED if environment.get(name)]:
        yield f"Chosen by the environment, and so other speed or rounding: {', '.join(declared)}."


def allowed_threads(wanted: int, environment: Mapping[str, str] = os.environ) -> int:
    """As many threads as were asked for, and never more than OpenMP may start."""
    limits = [environment.get(name, "").strip() for name in THREAD_LIMITS]
    return min([wanted, *(int(limit) for limit in limits if limit.isdecimal() and len(limit) < 10 and int(limit))])


def neutral_environment(spec: EngineSpec, threads: int, cache_dir: Path) -> dict[str, str]:
    """The app's own variables as the rule has them, for a process that computes and begins in `FOLDER`."""
    environment = {name: value for name, value in os.environ.items() if name not in {*OVERRULED, *_OF_THE_INTERPRETER}}
    for name in _SEARCHED:
        if name in environment:
            folders = [absolute(folder) for folder in environment[name].split(os.pathsep) if folder]
            environment[name] = os.pathsep.join(folders)
    return environment | {
        "MNIST_TUI_CACHE_DIR": absolute(str(cache_dir)),
        APP_FOLDER: absolute(os.curdir),
        KERAS_FOLDER: absolute(str(keras_folder())),
        "KERAS_HOME": os.devnull,  # a folder in which nothing is found and nothing can be written
        "KERAS_BACKEND": spec.backend,
        "OMP_NUM_THREADS": str(allowed_threads(threads)),  # what OpenMP finds by itself where cores can be assigned
    }


ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "1073741824"}
"""Keep freed activations: glibc otherwise returns them to the kernel and faults them in again at every step."""


def worker_environment(spec: EngineSpec, threads: int, cache_dir: Path, scratch: str) -> dict[str, str]:
    """The environment of a worker; `scratch` is a folder that goes with it."""
    environment = neutral_environment(spec, threads, cache_dir)
    environment.update(
        MNIST_TUI_SCRATCH=scratch,
        TMPDIR=scratch,  # TensorFlow writes the code there that it makes of ours, and leaves it when it is killed
        PYTHONUNBUFFERED="1",
        PYTHONFAULTHANDLER="1",
        TF_CPP_MIN_LOG_LEVEL=environment.get("TF_CPP_MIN_LOG_LEVEL", "2"),
        TF_FORCE_GPU_ALLOW_GROWTH="true",
        MNIST_TUI_GPUS=gpus_by_free_memory(),
        CUDA_DEVICE_ORDER="PCI_BUS_ID",  # so that cuda:0 is GPU 0 of the usage pane too
        XLA_PYTHON_CLIENT_PREALLOCATE="false",  # or JAX takes most of a GPU that the other engine trains on, too
        **ALLOCATOR,
    )
    return environment


def located(command: Command) -> Command:
    """The command as a worker understands it, which begins in another folder than the app."""
    if isinstance(command, Start):
        return dataclasses.replace(command, run_dir=absolute(command.run_dir), resume=absolute(command.resume))
    if isinstance(command, Predict):
        return dataclasses.replace(command, checkpoint=absolute(command.checkpoint))
    return command
