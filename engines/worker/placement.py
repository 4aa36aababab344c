"""Where a run trains: the devices that its setting means, and the class of the engine that trains there."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import cast

from engines.experiment.contract import EngineClass, EngineModule, ParallelModule
from engines.gpu_selection import most_free
from engines.messages.events import Device


class DeviceError(Exception):
    """The chosen device can't be used; the message says why."""


def resolve(device: str, known: Sequence[Device]) -> str:
    """The device that "auto" stands for, those that "all" does, or what was asked for. Raises DeviceError."""
    gpus = [one for one in known if one.usable and one.id != "cpu"]
    if device == "auto":
        return most_free(gpus).id if gpus else "cpu"
    if device == "all" and gpus:
        return ",".join(one.id for one in gpus)
    if "," in device:
        return ",".join(resolve(one, known) for one in device.split(","))
    for one in known:
        if one.id == device:
            if one.usable:
                return device
            raise DeviceError(f"{device} can't be used: {one.reason}.")
    reasons = [one.reason for one in known if not one.usable]
    device = "GPU" if device == "all" else device
    raise DeviceError(f"There is no {device} here{': ' + reasons[0] if reasons else ''}.")


def engine_class(module: EngineModule, device: str) -> EngineClass:
    """The engine's own class, or its twin for several devices. Raises DeviceError."""
    if "," not in device:
        return module.Engine
    name = f"{module.__package__}.parallel"
    try:
        return cast(ParallelModule, importlib.import_module(name)).ParallelEngine
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise DeviceError(f"{module.framework()} trains on one device here, not on {device}.") from error
