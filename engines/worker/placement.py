"""Resolve a run's device setting to devices, and choose the engine class that trains on them."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import cast

from engines.experiment.contract import EngineClass, EngineModule, ParallelModule
from engines.gpu_selection import most_free
from engines.messages.commands import ANY_GPU, AutoDevice
from engines.messages.events import Device


class DeviceError(Exception):
    """The chosen device can't be used; the message says why."""


def resolve(setting: str, devices: Sequence[Device], auto: AutoDevice = ANY_GPU) -> str:
    """Return the id of the device that the setting means, or a comma list of several. Raises DeviceError."""
    gpus = [device for device in devices if device.usable and device.id != "cpu"]
    if setting == "auto":
        if not gpus:
            return "cpu"
        if auto.chosen == "cpu":  # the app knows of no GPU, so that other jobs would get the same
            raise DeviceError(
                f"Runs at the same time would share {gpus[0].id}. Leave out --jobs, or choose --device cpu."
            )
        return resolve(auto.chosen, devices) if auto.chosen else most_free(gpus, auto.order, auto).id
    if setting == "all" and gpus:
        return ",".join(gpu.id for gpu in gpus)
    if "," in setting:
        return ",".join(resolve(part, devices) for part in setting.split(","))
    for device in devices:
        if device.id == setting:
            if device.usable:
                return setting
            raise DeviceError(f"{setting} can't be used: {device.reason}.")
    reasons = [
        device.reason for device in devices if not device.usable and not gpus
    ]  # where others work, it explains nothing
    missing = "GPU" if setting == "all" else setting
    raise DeviceError(f"There is no {missing} here{': ' + reasons[0] if reasons else ''}.")


def engine_class(module: EngineModule, device: str) -> EngineClass:
    """Return the module's Engine, or its ParallelEngine for several devices. Raises DeviceError."""
    if "," not in device:
        return module.Engine
    name = f"{module.__package__}.parallel"
    try:
        return cast(ParallelModule, importlib.import_module(name)).ParallelEngine
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise DeviceError(f"{module.framework()} can train on only one device, not on {device}.") from error
