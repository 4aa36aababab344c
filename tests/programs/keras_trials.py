"""Print, as JSON, what a run decides about XLA and its devices on GPUs that are not there: `CASE`."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from engines.config import TrainConfig
from engines.keras import device, xla

FAKE_GPUS = [SimpleNamespace(name=f"/physical_device:GPU:{i}") for i in range(3)]
ANSWERS = "import json, sys; open(sys.argv[-2], 'w').write(json.dumps({'xla': 'compiles'}))"
"""A worker of one line that answers the trial."""


@contextlib.contextmanager
def fake_gpus(sick: int = -1) -> Any:
    """Let TensorFlow report three GPUs, of which one may raise an error."""
    import tensorflow as tf

    visible = list(FAKE_GPUS)

    def set_growth(gpu: Any, on: bool) -> None:
        if gpu is FAKE_GPUS[sick] and sick >= 0:
            raise RuntimeError("CUDA error: uncorrectable ECC error")

    def listed(kind: str) -> list[Any]:
        return FAKE_GPUS if kind == "GPU" else [SimpleNamespace(name="/physical_device:CPU:0")]

    details = {"device_name": "FakeGPU", "compute_capability": (9, 0)}
    config, experimental = tf.config, tf.config.experimental
    with (
        mock.patch.object(config, "list_physical_devices", listed),
        mock.patch.object(config, "set_logical_device_configuration"),
        mock.patch.object(config, "set_visible_devices", lambda gpus, kind: visible.__setitem__(slice(None), gpus)),
        mock.patch.object(config, "get_visible_devices", return_value=visible),
        mock.patch.object(experimental, "set_memory_growth", set_growth),
        mock.patch.object(experimental, "get_device_details", return_value=details),
    ):
        yield


def trial(worker: str, driver: str) -> dict[str, Any]:
    """Ask whether XLA works on cuda:0, with a worker of this code and this driver; return the answer and the log."""
    folder, log = Path(os.environ["MNIST_TUI_CACHE_DIR"]), io.StringIO()
    (folder / "worker.py").write_text(f"open({str(folder / 'started')!r}, 'w')\n{worker}")
    (folder / "driver").write_text(f"{driver}\nGCC version: n/a\n")
    (folder / "started").unlink(missing_ok=True)
    with (
        fake_gpus(),
        mock.patch.object(xla, "WORKER", folder / "worker.py"),
        mock.patch.object(xla, "DRIVER", folder / "driver"),
        mock.patch.object(xla, "TRIAL_SECONDS", 60.0),
        contextlib.redirect_stderr(log),
    ):
        used = xla.is_used(TrainConfig(device="cuda:0"))
    return {"used": used, "tried": (folder / "started").exists(), "log": log.getvalue()}


def trials() -> dict[str, Any]:
    """Try XLA in workers that fail or answer, one after the other, and list the runs that would use it."""
    results: dict[str, Any] = {
        "aborts": trial("import os; os.abort()", "driver 570"),
        "remembered": trial(ANSWERS, "driver 570"),
        "another driver": trial(ANSWERS, "driver 580"),
        "success remembered": trial("import os; os.abort()", "driver 580"),
        "exits": trial("raise SystemExit(3)", "driver 590"),
    }
    runs = [TrainConfig(device="cpu"), TrainConfig(device="cuda:0"), TrainConfig(device="cuda:0", augment="affine")]
    with mock.patch.object(xla, "works", return_value=True):
        results["used"] = [xla.is_used(config) for config in runs]
    return results


def devices() -> dict[str, Any]:
    """List the devices when the first of three GPUs is sick, TensorFlow's names of them, and the memory of a GPU and a CPU."""
    with fake_gpus(sick=0):
        found = [[one.id, one.usable, one.reason] for one in device.devices()]
        names = [device.device_name(name) for name in ("cpu", "cuda:1", "cuda:2")]
    memory = {"GPU:0": {"current": 1, "peak": 5}}
    with mock.patch("tensorflow.config.experimental.get_memory_info", memory.__getitem__):
        return {
            "devices": found,
            "names": names,
            "memory": [device.memory_bytes(name) for name in ("/GPU:0", "/CPU:0")],
        }


if __name__ == "__main__":
    cases: dict[str, Callable[[], Any]] = {
        "trials": trials,
        "devices": devices,
        "real trial": lambda: xla.try_in_child("cuda:0"),
    }
    print(json.dumps(cases[sys.argv[1]]()))
