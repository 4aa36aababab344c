"""Choose the build of a framework that suits the NVIDIA driver, the GPUs and the Python of this machine.

Drivers: NVIDIA, CUDA Compatibility, "Minor Version Compatibility". Compute capabilities: the binaries in the wheels of PyTorch 2.14
and TensorFlow 2.21; PyTorch's release matrix for CUDA 12.6 (2.14) and 12.8 (2.11, its last); JAX's installation guide.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence

from engines import frameworks
from engines.monitors.gpu import GpuMonitor, NvidiaGpus
from engines.record import Record

Capability = tuple[int, int]
"""A compute capability, such as (9, 0)."""

MINIMUM_DRIVER = {"13": 580, "12": 525}
"""The oldest NVIDIA driver that runs each CUDA major version."""
NEWEST_PYTHON = {"tensorflow": (3, 13)}
"""The newest Python that a package has wheels for; packages that are missing here have them for every Python."""


class CudaBuild(Record, kw_only=False):
    """A build of a framework for one version of CUDA."""

    cuda: str
    """The version of CUDA, such as "12.6"."""
    oldest: Capability
    newest: Capability = (99, 9)
    """The newest GPU that it supports; by default every one, because pip installs the newest release."""
    index: str = ""
    """The package index that has this build; empty for pip's own."""

    @property
    def driver(self) -> int:
        """The oldest major version of the NVIDIA driver that runs it."""
        return MINIMUM_DRIVER[self.cuda.partition(".")[0]]

    def supports(self, capability: Capability) -> bool:
        """Return whether it has kernels for a GPU, or code that JAX compiles for it anyway."""
        return self.oldest <= capability <= self.newest


BUILDS = {
    "torch": (
        CudaBuild("13", (7, 5)),
        CudaBuild("12.6", (5, 0), (9, 0), "https://download.pytorch.org/whl/cu126"),
        CudaBuild("12.8", (7, 5), (12, 9), "https://download.pytorch.org/whl/cu128"),
    ),
    "tensorflow": (CudaBuild("12", (6, 0), (9, 0)),),
    "jax": (CudaBuild("12", (5, 2)),),
}
"""The builds of each package, by preference; the first is the standard one."""


@functools.cache
def machine_gpus() -> NvidiaGpus:
    """Return the driver and the GPUs of this machine, as at the first call."""
    monitor = GpuMonitor()
    try:
        return monitor.nvidia_gpus()
    finally:
        monitor.close()


def choose_build(engine: str, gpus: NvidiaGpus) -> tuple[CudaBuild, list[str]]:
    """Return the build that supports most of the GPUs, and a sentence for each thing that the user should know about it."""
    package = frameworks.PACKAGES[engine][0]
    title, builds = package.title, BUILDS[package.module]
    standard, runnable = builds[0], runnable_builds(engine, gpus.driver)
    if runnable is None:
        reason = gpus.reason or gpus.driver or "it has none"
        return standard, [
            f"The version of the NVIDIA driver is unknown ({reason}): this is the standard build of {title}, which needs driver"
            f" {standard.driver} or newer."
        ]
    if not runnable:
        oldest = min(build.driver for build in builds)
        return standard, [
            f"{title} needs NVIDIA driver {oldest} or newer, and this machine has {gpus.driver}: update the driver."
        ]
    build = max(runnable, key=lambda build: sum(map(build.supports, gpus.capabilities)))
    notes = []
    if build is not standard:
        capability = f" and compute capability {_join(gpus.capabilities)}" if gpus.capabilities else ""
        notes.append(
            f"{title} for CUDA {build.cuda}: the standard build needs driver {standard.driver} and compute capability"
            f" {_join([standard.oldest])} or newer, and this machine has driver {gpus.driver}{capability}."
        )
    if unsupported := [capability for capability in gpus.capabilities if not build.supports(capability)]:
        notes.append(
            f"{title} has no kernels for compute capability {_join(unsupported)}.{_jax_instead(engine, 'gpu')}"
        )
    return build, notes


def runnable_builds(engine: str, driver: str) -> list[CudaBuild] | None:
    """Return the builds that this version of the NVIDIA driver runs, by preference; None when it is not a version."""
    major = driver.partition(".")[0]
    if not major.isdecimal():
        return None
    return [build for build in BUILDS[frameworks.PACKAGES[engine][0].module] if build.driver <= int(major)]


def missing_wheel(engine: str, kind: str, python: tuple[int, int] = sys.version_info[:2]) -> str:
    """Return a sentence about the package without a wheel for this Python, and what to install instead; empty when all have one."""
    for package in frameworks.PACKAGES[engine]:
        if python > NEWEST_PYTHON.get(package.module, (99, 9)):
            return f"{package.title} has no wheel for Python {python[0]}.{python[1]}.{_jax_instead(engine, kind)}"
    return ""


def suitable_engine(engine: str, gpus: NvidiaGpus, python: tuple[int, int] = sys.version_info[:2]) -> str:
    """Return the engine id, or that of Keras on JAX where TensorFlow has no wheel, or no kernels for a GPU."""
    (build,) = BUILDS["tensorflow"]
    suits = all(map(build.supports, gpus.capabilities)) and not missing_wheel(engine, "gpu", python)
    return engine if suits or engine != "keras" else "keras-jax"


def setup_command(engine: str, kind: str = "") -> str:
    """Return the command that makes the environment of an engine id; `kind` is "cpu", "gpu" or empty."""
    framework, _, backend = engine.partition("-")
    words = ["mnist-tui setup", f"--{kind}" if kind else "", f"--framework {framework}"]
    return " ".join(filter(None, [*words, f"--keras-backend {backend}" if backend else ""]))


def _jax_instead(engine: str, kind: str) -> str:
    return f" Use Keras on JAX instead: {setup_command('keras-jax', kind)}" if engine == "keras" else ""


def _join(capabilities: Sequence[Capability]) -> str:
    return " and ".join(f"{major}.{minor}" for major, minor in sorted(set(capabilities)))
