"""The packages that each engine needs: their names, their oldest versions, and what pip installs.

Standard library only: both sides of the pipe read it.
"""

from __future__ import annotations

from engines.record import Record


class Package(Record, kw_only=False):
    """A Python package that an engine needs."""

    module: str
    """Its name in an import and, without a GPU, for pip."""
    title: str
    """Its name on screen."""
    oldest: tuple[int, ...] = ()
    """The oldest version that works; empty when any does."""
    for_gpu: str = ""
    """The requirement that pip installs for a GPU, where it is not the module's name."""


TORCH = Package("torch", "PyTorch", (2, 5))  # torch.OutOfMemoryError
TORCHVISION = Package("torchvision", "torchvision")
KERAS = Package("keras", "Keras", (3, 12))
TENSORFLOW = Package("tensorflow", "TensorFlow", (2, 16), "tensorflow[and-cuda]")  # the first version made for Keras 3
JAX = Package("jax", "JAX", (0, 5), "jax[cuda12]")

PACKAGES = {
    "pytorch": (TORCH, TORCHVISION),
    "keras": (TENSORFLOW, KERAS),
    "keras-jax": (JAX, KERAS),
    "keras-torch": (TORCH, KERAS),
}
"""The packages of each engine id, in the order in which they are imported."""
