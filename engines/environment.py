"""The variables that a worker process begins with: ours, and those that the frameworks read when they are imported."""

from __future__ import annotations

import os
from pathlib import Path

from engines.gpus import by_free_memory
from engines.registry import EngineSpec

ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "1073741824"}
"""Keep freed activations: glibc otherwise returns them to the kernel and faults them in again at every step."""


def worker_environment(spec: EngineSpec, threads: int, cache_dir: Path, scratch: str) -> dict[str, str]:
    """The app's own, and more; `scratch` is a folder that goes with the worker."""
    environment = dict(os.environ)
    environment.pop("PYTHONHOME", None)
    environment.update(
        MNIST_TUI_CACHE_DIR=str(cache_dir),
        MNIST_TUI_SCRATCH=scratch,
        TMPDIR=scratch,  # TensorFlow writes the code there that it makes of ours, and leaves it when it is killed
        PYTHONUNBUFFERED="1",
        PYTHONFAULTHANDLER="1",
        OMP_NUM_THREADS=str(threads),
        TF_CPP_MIN_LOG_LEVEL=environment.get("TF_CPP_MIN_LOG_LEVEL", "2"),
        TF_FORCE_GPU_ALLOW_GROWTH="true",
        MNIST_TUI_GPUS=by_free_memory(),
        CUDA_DEVICE_ORDER="PCI_BUS_ID",  # so that cuda:0 is GPU 0 of the usage pane too
        XLA_PYTHON_CLIENT_PREALLOCATE="false",  # or JAX takes most of a GPU that the other engine trains on, too
        KERAS_BACKEND=spec.backend,
        **ALLOCATOR,
    )
    return environment
