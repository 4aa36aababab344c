"""Test one framework in its own interpreter, for the doctor: versions, packages, devices, and a real step on each."""

from __future__ import annotations

import dataclasses
import json
import platform
import sys
import time
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from engines.compute_capability import PTX, kernel_support
from engines.experiment.contract import EngineModule, SelftestModule
from engines.messages.events import Device
from engines.worker.neighbour import neighbour


def run(module: EngineModule, import_seconds: float, path: Path, part: str) -> None:
    """Write the results of one part of the test to `path` as JSON.

    "quick" leaves out the step on a GPU for which the driver would have to compile all kernels first, and "complete" includes it;
    "xla" tests only whether XLA compiles here, which can end the process.
    """
    own: SelftestModule | None = neighbour(module, "selftest")
    if part == "xla":
        results: dict[str, Any] = {"xla": own.check_xla() if own is not None else ""}
    else:
        build = dict(own.build_info()) if own is not None else {}
        kernels = build.get("kernels", ())
        results = {
            "framework": module.framework(),
            "version": module.version(),
            "import_seconds": import_seconds,
            "python": platform.python_version(),
            "executable": sys.executable,
            "packages": nvidia_packages(),
            "devices": [_test_device(device, own, kernels, part) for device in module.devices()],
            **build,
        }
    path.write_text(json.dumps(results, default=str), encoding="utf-8")


def nvidia_packages() -> dict[str, str]:
    """Return the versions of NVIDIA's packages in this environment by name; frameworks may overwrite each other's."""
    return {
        name: package.version
        for package in metadata.distributions()
        if (name := str(package.metadata["Name"] or "").lower()).startswith("nvidia-")
    }


def _test_device(device: Device, own: SelftestModule | None, kernels: Sequence[str], part: str) -> dict[str, Any]:
    """Run a convolution forward and backward on the device; return its fields and the result."""
    result = dataclasses.asdict(device)
    if device.usable and own is not None:
        try:
            result |= own.device_info(device.id)
            result["support"] = kernel_support(kernels, result.get("capability", ""))
            if result["support"] != PTX or part == "complete":
                before = time.perf_counter()
                own.check_step(device.id)
                result["step_seconds"] = time.perf_counter() - before
        except Exception as error:  # any error of the driver, a library or the framework is the test's result
            result |= {"usable": False, "reason": f"{type(error).__name__}: {str(error).strip()[:300]}"}
    return result
