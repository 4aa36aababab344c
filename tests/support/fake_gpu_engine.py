"""The scripted engine with a fake GPU, on which it trains as on the CPU: for the flow of the GPU check."""

from __future__ import annotations

from engines.messages.events import Device
from tests.support import scripted_engine
from tests.support.scripted_engine import (
    MODEL_FILE,
    OUT_OF_MEMORY,
    TF32_DEFAULT,
    framework,
    hyperparameters,
    set_threads,
    version,
)

__all__ = [
    "MODEL_FILE", "OUT_OF_MEMORY", "TF32_DEFAULT", "Engine", "devices", "framework", "hyperparameters", "set_threads", "version",
]  # fmt: skip

FAKE_BYTES = 4_000_000


class Engine(scripted_engine.Engine):
    """The scripted engine, with memory on its fake GPU."""

    def device_memory_bytes(self) -> int:  # type: ignore[override]  # the scripted engine has none
        return FAKE_BYTES


def devices() -> tuple[Device, ...]:
    """Return the CPU and one fake GPU."""
    return Device(id="cpu", name="CPU"), Device(id="cuda:0", name="fake GPU")
