"""Reasons for missing figures, from the errors of NVML, and its texts."""

from __future__ import annotations

NOT_INSTALLED = "nvidia-ml-py not installed"
_REASONS = {
    "LibraryNotFound": "no NVIDIA driver",
    "DriverNotLoaded": "NVIDIA driver not loaded",
    "LibRmVersionMismatch": "driver/library version mismatch",
    "NoPermission": "no permission",
    "NotSupported": "not supported by this GPU",
    "FunctionNotFound": "driver too old",
    "GpuIsLost": "GPU is lost",
    "ResetRequired": "GPU needs a reset",
    "NotFound": "GPU not found",
    "InvalidArgument": "GPU not found",
    "Timeout": "NVML timed out",
    "Uninitialized": "NVML not ready",
    "Unknown": "unknown NVML error",
}


def reason(error: Exception) -> str:
    """Return a reason in a few words, for the usage pane."""
    if isinstance(error, AttributeError):
        return "nvidia-ml-py too old"
    return _REASONS.get(kind(error), f"NVML: {kind(error)}")


def kind(error: Exception) -> str:
    """Return the name of an NVML error without the prefix that all of them have."""
    return type(error).__name__.removeprefix("NVMLError_")


def text(value: str | bytes) -> str:
    """Decode a text that older bindings return as bytes."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
