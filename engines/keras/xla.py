"""Decide whether XLA trains a run's full batches, as one program in which TensorFlow would start a hundred kernels a step.

XLA can end its process, so a child process tries it first, once for each TensorFlow, GPU and driver.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

import engines
from engines.atomic_file import write_atomically
from engines.config import TrainConfig
from engines.gpu_selection import driver_id

TRIAL_SECONDS = 180.0
"""Time for a child to import TensorFlow, to compile two training steps and to run them."""
WORKS = "compiles"
"""The result of a trial after which XLA is used."""
WORKER = Path(engines.__file__).with_name("worker") / "__main__.py"
DRIVER = Path("/proc/driver/nvidia/version")
"""NVIDIA's own description of the loaded driver; elsewhere than on Linux there is none."""


def is_used(config: TrainConfig) -> bool:
    """Return whether XLA trains this run: on one GPU, without augmentation, and if it works there.

    XLA has no kernel for ImageProjectiveTransformV3, and a program does not span the devices of a strategy.
    """
    on_one_gpu = config.device.startswith("cuda") and not tf.distribute.has_strategy()
    return on_one_gpu and config.augment == "none" and works(config.device)


def works(device: str) -> bool:
    """Return whether XLA works on "cuda:N": as remembered, or else as a trial in a child shows; the log has the reason if not."""
    path = Path(os.environ.get("MNIST_TUI_CACHE_DIR") or tempfile.gettempdir()) / "xla-trials.json"
    trials, here = read_trials(path), machine(device)
    if here not in trials:
        trials[here] = try_in_child(device)
        with contextlib.suppress(OSError):  # then the next run tries again
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda part: part.write_text(json.dumps(trials, indent=1), encoding="utf-8"))
    if trials[here] != WORKS:
        text = (
            f"XLA is not used on {device}, and training is slower: it {trials[here]}. To try it again, delete {path}."
        )
        print(text, file=sys.stderr, flush=True)
    return trials[here] == WORKS


def read_trials(path: Path) -> dict[str, str]:
    """Read the results of earlier trials by machine; empty when there is no such file, or a damaged one."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def machine(device: str) -> str:
    """Describe what decides whether XLA works: TensorFlow, Keras, the GPU "cuda:N" and its driver."""
    gpu = tf.config.list_physical_devices("GPU")[int(device.partition(":")[2])]
    details = tf.config.experimental.get_device_details(gpu)
    capability = ".".join(map(str, details.get("compute_capability", ())))
    driver = DRIVER.read_text(errors="replace").partition("\n")[0] if DRIVER.exists() else "n/a"
    versions = f"TensorFlow {tf.__version__}, Keras {keras.version()}"
    return f"{versions}, {details.get('device_name', 'GPU')}, compute capability {capability}, driver {driver}"


def try_in_child(device: str) -> str:
    """Run `selftest.check_xla` on "cuda:N" in a worker of its own; return its result, or how the worker ended without one."""
    environment = {name: value for name, value in os.environ.items() if name != "MNIST_TUI_SCRATCH"}  # it is ours
    if gpu := driver_id(int(device.partition(":")[2])):
        environment["CUDA_VISIBLE_DEVICES"] = gpu  # the only one, so the child's cuda:0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        command = [sys.executable, str(WORKER), "keras", "--module", "engines.keras.engine", "--look", str(path), "xla"]
        pipe = subprocess.PIPE  # the child ends when its stdin does, and so with this worker
        with subprocess.Popen(command, stdin=pipe, stdout=subprocess.DEVNULL, env=environment) as child:
            try:
                code = child.wait(TRIAL_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                return f"did not answer within {TRIAL_SECONDS:.0f} s"
        with contextlib.suppress(OSError, ValueError, KeyError):
            return str(json.loads(path.read_text(encoding="utf-8"))["xla"])
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
    return f"ends its process {how}"
