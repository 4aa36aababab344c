"""A close look at one engine in its own interpreter, for the doctor: versions, packages, devices, and a real step on each."""

from __future__ import annotations

import dataclasses
import importlib
import json
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from engines.experiment.contract import EngineModule, SelftestModule
from engines.messages.events import Device


def look(module: EngineModule, seconds: float, answer: Path, *, xla: bool) -> None:
    """Write everything as JSON; with `xla`, only whether XLA compiles here, which can end the process."""
    own = _own(module)
    if xla:
        said: dict[str, Any] = {"xla": own.check_xla() if own is not None else ""}
    else:
        devices = module.devices()
        said = {
            "framework": module.framework(),
            "version": module.version(),
            "import_seconds": seconds,
            "python": platform.python_version(),
            "executable": sys.executable,
            "packages": packages(),
            "devices": [_tried(device, own) for device in devices],
            **(own.build_info() if own is not None else {}),
        }
    answer.write_text(json.dumps(said, default=str), encoding="utf-8")


def packages() -> dict[str, str]:
    """NVIDIA's own packages in this environment, by name: what frameworks bring along, and may overwrite each other's."""
    found = {}
    for one in metadata.distributions():
        name = str(one.metadata["Name"] or "").lower()
        if name.startswith("nvidia-"):
            found[name] = one.version
    return found


def _own(module: EngineModule) -> SelftestModule | None:
    """What only this framework can be asked; None for an engine that is nobody's framework."""
    package = module.__package__ or ""
    return importlib.import_module(f"{package}.selftest") if package.startswith("engines.") else None


def _tried(device: Device, own: SelftestModule | None) -> dict[str, Any]:
    """The device, and how a convolution forward and backward went on it."""
    said = dataclasses.asdict(device)
    if device.usable and own is not None:
        before = time.perf_counter()
        try:
            said |= own.device_info(device.id)
            own.check_step(device.id)
            said["step_seconds"] = time.perf_counter() - before
        except Exception as error:  # whatever the driver, the library or the framework raises is the finding
            said |= {"usable": False, "reason": f"{type(error).__name__}: {str(error).strip()[:300]}"}
    return said
