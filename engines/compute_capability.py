"""Find whether a framework's build has machine code for a GPU, or only code that the driver must compile. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterable

NATIVE, PTX, NONE = "native", "ptx", "none"
"""The support of a GPU by a build: machine code, code that the driver compiles in minutes, or neither."""

_KERNELS = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")


def kernel_support(kernels: Iterable[str], capability: str) -> str:
    """Return the support of a GPU of this compute capability, such as "9.0"; empty when the GPU or the build is unknown.

    `kernels` are architectures as the frameworks name them, such as "sm_75". Machine code runs on GPUs of the same major and the
    same or a newer minor capability, "sm_90a" on 9.0 alone; PTX on all newer GPUs: CUDA C++ Programming Guide, "Binary
    Compatibility" and "PTX Compatibility". A build with "compute_90", which is PTX, has machine code for 9.0 too: so do those of
    TensorFlow and PyTorch.
    """
    built = [match.groups() for name in kernels if (match := _KERNELS.fullmatch(str(name)))]
    if not built or not re.fullmatch(r"\d+\.\d+", capability):
        return ""
    gpu = tuple(map(int, capability.split(".")))
    support = NONE
    for kind, major, minor, suffix in built:
        oldest = int(major), int(minor)
        if gpu == oldest or (gpu[0] == oldest[0] and gpu > oldest and suffix != "a"):
            return NATIVE
        if kind == "compute" and gpu > oldest and not suffix:
            support = PTX
    return support
