"""A third engine, for tests: softmax regression in numpy, added to the app by `engines.experiment.contract` alone.

It is fast enough for hundreds of runs, and fails on demand: MNIST_TUI_SCRIPT is "FAULT@POINT", and the fault happens once. The
point is a number of steps done, "import", "data" (digits are being drawn), "build", "evaluate" or "checkpoint". The faults are
in `fail_at`; besides them "missing" fails to import, "slow" takes 20 ms a step, and "nan@5" turns the loss into NaN after step 5.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engines.config import TrainConfig
from engines.data import Digits
from engines.experiment.arrays import Arrays
from engines.experiment.recipe import Weights
from engines.messages.events import Device

OUT_OF_MEMORY: tuple[type[Exception], ...] = ()
TF32_DEFAULT = ""
MODEL_FILE = "scripted.npy"

POISONED = "CUDA error: an illegal memory access was encountered"
"""The message of PyTorch for a GPU that the process can't use any more."""

_FAULT, _, _POINT = os.environ.get("MNIST_TUI_SCRIPT", "").partition("@")
_past_faults: list[str] = []
_allocated: list[npt.NDArray[np.uint8]] = []


def fail_at(point: str, warming_up: bool = False) -> None:
    """Do what the script says, if this is the point for it."""
    if _FAULT == "poison" and _past_faults:
        raise RuntimeError(POISONED)
    if point != _POINT or warming_up or _past_faults:
        return
    _past_faults.append(point)
    match _FAULT:
        case "kill" | "crash" | "abort" | "stop":
            signals = {"kill": signal.SIGKILL, "crash": signal.SIGSEGV, "abort": signal.SIGABRT, "stop": signal.SIGSTOP}
            os.kill(os.getpid(), signals[_FAULT])
        case "terminate":  # as the C++ runtime does with an uncaught exception, while other threads live
            for _ in range(20):
                threading.Thread(target=threading.Event().wait, daemon=True).start()
            os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n")
            os.abort()
        case "exit":
            os._exit(3)
        case "no thread":  # as a worker ends that may start no more threads
            os.write(2, b"RuntimeError: can't start new thread\n")
            os._exit(1)
        case "raise":
            raise RuntimeError("the script says so")
        case "poison":  # as CUDA does: every later use of the GPU fails too, until the process ends
            raise RuntimeError(POISONED)
        case "break":
            raise ImportError("libscripted.so.1: cannot open shared object file")
        case "oom":
            raise MemoryError("no more")
        case "devour":  # more than a limited address space holds; never touched, so without a limit it costs nothing
            _allocated.append(np.empty(2**34, np.uint8))
        case "hang":
            threading.Event().wait()
        case "hold":  # as a library does that waits without releasing Python's lock
            ctypes.PyDLL(None).sleep(3600)
        case "environment":
            print(f"CUDA_VISIBLE_DEVICES={os.environ.get('CUDA_VISIBLE_DEVICES')}", flush=True)
        case "child":
            print("child", subprocess.Popen(["sleep", "600"]).pid, flush=True)
        case "garbage":
            sys.stdout.write("\x1b[2J\x1b[31mred\x1b[0m\rlast words\n")
            sys.stderr.write("on stderr\n")
            _write_to_every_pipe(
                b'not json\n{"type":"Nonsense"}\n{"type":"Heartbeat","engine":"somebody","seq":1,"t":0}\n'
            )
        case "long":  # ten million bytes in a line
            _write_to_every_pipe(b"x" * 10_000_000 + b"\n")
        case "half":
            _write_to_every_pipe(b'{"type":"Heartbeat","engine":"py')
            os._exit(3)
        case "flood":
            heartbeat = b'{"type":"Heartbeat","engine":"pytorch","seq":1,"t":0}\n'
            _write_to_every_pipe(heartbeat * 100_000)
        case "chatter":
            for i in range(200_000):
                print("line", i)


def _write_to_every_pipe(content: bytes) -> None:
    """Write into every pipe that this process has open; one of them is the protocol's."""
    for fd in range(3, 20):
        remaining = content
        try:
            if not stat.S_ISFIFO(os.fstat(fd).st_mode):
                continue
            while remaining:
                remaining = remaining[os.write(fd, remaining) :]
        except OSError:
            continue


if _FAULT == "missing":
    import a_framework_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401  # that is the test
fail_at("import")


def _fail_while_drawing() -> None:
    """Fail once some of the digits are drawn and their progress is published."""
    from engines.data import synthetic

    original = synthetic.draw

    def draw(
        count: int, seed: int, on_progress: Callable[[int, int, str], None], cancelled: Callable[[], bool]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
        def publish(done: int, total: int, source: str) -> None:
            on_progress(done, total, source)
            fail_at("data")

        return original(count, seed, publish, cancelled)

    synthetic.draw = draw


if _POINT == "data":
    _fail_while_drawing()


class Engine:
    """Trains one matrix, for real."""

    def __init__(self, config: TrainConfig, digits: Digits, weights: Weights) -> None:
        self.batch_size = config.batch_size
        self.images = digits.train_images.reshape(len(digits.train_labels), -1) / 255.0
        self.labels = digits.train_labels
        self.test = digits.test_images.reshape(len(digits.test_labels), -1) / 255.0
        self.kernel: npt.NDArray[Any] = np.array(weights["kernel"]) if "kernel" in weights else np.zeros((784, 10))
        self.random = np.random.default_rng(config.seed)
        self.done = 0
        """Steps done."""
        self.warming_up = digits.dataset == "none"
        fail_at("build", self.warming_up)

    def start_epoch(self, order: npt.NDArray[np.int64], rates: npt.NDArray[np.float32]) -> None:
        self.order, self.rates = order, rates

    def train_steps(self, first: int, last: int) -> tuple[float, float]:
        loss_sum = correct = 0.0
        for step in range(first, last):
            if _FAULT == "slow":
                time.sleep(0.02)
            fail_at(str(self.done), self.warming_up)
            indices = self.order[step * self.batch_size : (step + 1) * self.batch_size]
            x, y = self.images[indices], self.labels[indices]
            logits = x @ self.kernel
            p = np.exp(logits - logits.max(axis=1, keepdims=True))
            p /= p.sum(axis=1, keepdims=True)
            losses = -np.log(p[np.arange(len(y)), y] + 1e-12)
            loss_sum += float(np.float32(losses.sum()))  # in single precision, so that sums of sums are exact
            correct += float((p.argmax(axis=1) == y).sum())
            p[np.arange(len(y)), y] -= 1
            self.kernel -= 0.1 * self.rates[step] * self.random.uniform(0.9, 1.1) * x.T @ p / len(y)
            self.done += 1
            if _FAULT == "nan" and self.done > int(_POINT):
                loss_sum = float("nan")
        return loss_sum, correct

    def evaluate(self, first: int, last: int) -> npt.NDArray[np.float32]:
        fail_at("evaluate")
        return np.asarray(self.test[first:last] @ self.kernel, np.float32)

    def predict(self, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        logits = images.reshape(len(images), -1) / 255.0 @ self.kernel
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(p / p.sum(axis=1, keepdims=True), np.float32)

    def weights(self) -> Weights:
        return {"kernel": self.kernel}

    def state(self) -> Arrays:
        fail_at("checkpoint")
        return {"random": np.array(json.dumps(self.random.bit_generator.state))}

    def load_state(self, state: Arrays) -> None:
        self.random.bit_generator.state = json.loads(str(state["random"]))

    def save_model(self, path: Path) -> None:
        content = io.BytesIO()
        np.save(content, self.kernel)
        path.write_bytes(content.getbuffer())  # on a full disk, np.save would report a number of items, no OSError

    def device_memory_bytes(self) -> None:
        """Return None: there is no GPU."""


def framework() -> str:
    return "Scripted 1.0"


def version() -> str:
    return "1.0"


def set_threads(threads: int) -> None:
    """Do nothing: numpy's products here are small."""


def devices() -> tuple[Device, ...]:
    """Return a CPU, and a GPU that is not usable."""
    return Device(id="cpu", name="CPU"), Device(id="cuda:0", name="GPU", usable=False, reason="scripted away")


def hyperparameters(config: TrainConfig) -> Mapping[str, Any]:
    """Raise NotImplementedError: the network is not the reference."""
    raise NotImplementedError("the scripted engine has no hyperparameters")
