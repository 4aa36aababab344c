"""Training on a CUDA GPU; `make gpu-check` checks more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engines.messages.events import Heartbeat, RunFinished, RunStarted, WorkerReady
from engines.preset_configs import from_settings
from tests.support.engines import Worked


@pytest.mark.gpu
@pytest.mark.framework
@pytest.mark.parametrize("engine", ["pytorch", "keras"])
def test_an_engine_trains_on_the_gpu(engine: str, warm: Callable[[str], Worked], small_mnist: Path) -> None:
    worker = warm(engine)
    (ready,) = worker.of(WorkerReady)
    if not any(device.usable for device in ready.devices if device.id != "cpu"):
        pytest.skip("; ".join(device.reason for device in ready.devices if device.reason))
    worker.start(from_settings({"epochs": 3, "batch_size": 64, "device": "auto", "data_dir": str(small_mnist)}))
    worker.wait_for(RunFinished)
    assert worker.of(RunStarted)[0].device.startswith("cuda:")
    assert worker.wait_for(Heartbeat).device_memory_bytes
